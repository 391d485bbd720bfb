"""Going back goes further back each time, whatever came between."""

from earmark.loop.lines import Change, line_of


def test_a_roll_back_takes_the_last_off() -> None:
    changes = [Change(1, 2, is_back=False), Change(2, 3, is_back=False)]
    assert line_of(changes, 3) == [1, 2, 3]
    changes.append(Change(3, 2, is_back=True))
    assert line_of(changes, 2) == [1, 2]
    changes.append(Change(2, 1, is_back=True))
    assert line_of(changes, 1) == [1]


def test_promoted_anew_is_gone_back_from_to_who_stood_there() -> None:
    changes = [Change(1, 2, is_back=False), Change(2, 1, is_back=True), Change(1, 2, is_back=False)]
    assert line_of(changes, 2) == [1, 2]


def test_a_champion_without_a_promotion_stands_where_it_was_found() -> None:
    assert line_of([], None) == []
    assert line_of([], 7) == [7]
    assert line_of([Change(1, 2, is_back=False)], 9) == [1, 2, 9]
    assert line_of([Change(1, 2, is_back=False), Change(9, 3, is_back=False)], 3) == [1, 2, 9, 3]
