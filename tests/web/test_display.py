"""How values look."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.web.naming import FLAGS, name_of
from earmark.web.templatetags import display


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (60, "1.0 min"),
        (5400, "1.5 h"),
        (7_200_000, "2,000.0 h"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert display.duration(seconds) == shown


def test_what_was_weighed_reads_as_names_and_values() -> None:
    why = {"expected_errors": 0.417, "rank": 1234.0, "over_cap": 1.0, "a_new_reason": 0.5}
    shown = display.reasons(why)
    assert [value for _name, value in shown] == ["0.42", "1,234", "", "0.50"]
    assert shown[-1][0] == "a new reason"
    assert display.reasons({"over_cap": 0.0}) == []


@pytest.mark.parametrize(("share", "shown"), [(None, "–"), (0.0, "0.0%"), (0.0416, "4.2%"), (1.25, "125.0%")])
def test_percent(share: float | None, shown: str) -> None:
    assert display.percent(share) == shown


def test_points_carry_their_sign() -> None:
    assert [display.points(0.012), display.points(-0.3)] == ["+1.2", "−30.0"]


def hypothesis(text: str, *tokens: tuple[str, float]) -> SimpleNamespace:
    return SimpleNamespace(text=text, tokens=[[piece, math.log(p), 0.1] for piece, p in tokens])


def test_only_doubtful_stretches_are_marked() -> None:
    shown = display.heard(hypothesis("open it", ("open", 0.99), (" ", 0.98), ("it", 0.4), ("", 0.99)))
    assert shown == '<span class="heard">open <span class="doubt doubt-3" title="40%">it</span></span>'


def test_doubt_about_half_a_character_counts_for_the_whole() -> None:
    shown = display.heard(hypothesis("打開", ("打", 0.99), ("", 0.2), ("開", 0.99)))
    assert shown == '<span class="heard">打<span class="doubt doubt-4" title="20%">開</span></span>'


def test_what_was_learned_of_words_counts_instead_of_the_tokens() -> None:
    one = hypothesis("left two", ("left ", 0.2), ("two", 0.999))
    assert 'class="doubt' in display.heard(one)
    marked = display.heard(one, [("left", 0.99), (" two", 0.1)])
    assert "left<span" in marked
    assert marked.count("<span") == 2


def test_tokens_that_do_not_spell_the_text_leave_it_plain() -> None:
    assert display.heard(hypothesis("open it", ("something", 0.2))) == '<span class="heard">open it</span>'


def test_nothing_heard_says_so() -> None:
    assert "nothing heard" in display.heard(hypothesis(""))


@given(st.text(alphabet="ab<&>\"'", min_size=1), st.floats(0.01, 1))
def test_what_was_heard_is_always_escaped(text: str, probability: float) -> None:
    shown = display.heard(hypothesis(text, *((character, probability) for character in text)))
    assert "<" not in shown.replace("<span", "").replace("</span>", "")


def test_changes_show_what_was_taken_out_and_put_in() -> None:
    assert display.changes("call ann", "call Bob") == "call <del>ann</del><ins>Bob</ins>"
    assert display.changes(None, "<b>") == "&lt;b&gt;"


def test_a_bar_fills_its_width() -> None:
    items = [SimpleNamespace(key="labelled", amount=1), SimpleNamespace(key="waiting", amount=3)]
    assert 'x="0.000" width="25.000"' in display.bar(items)
    assert 'x="25.000" width="75.000"' in display.bar(items)
    assert 'width="0.000"' in display.bar([SimpleNamespace(key="labelled", amount=0)])


def test_a_code_nobody_named_still_reads() -> None:
    assert name_of("acme.strategies.most_novel", FLAGS) == "most novel"
