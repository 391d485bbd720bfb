"""Who is asked about which clip: what must hold whatever the clips, rules and people."""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.routing import (
    EVERYONE,
    Asked,
    Because,
    Person,
    Rule,
    can_take,
    draw,
    route,
    rule_of,
)

LANGUAGES = ("en", "zh", "yue")
DIALECTS = ("", "scottish", "beijing")


def asked(clip: int, **changed: Any) -> Asked:
    told: dict[str, Any] = {
        "language": "en", "dialect": "", "error": 0.2, "seconds": 3.0, "place": clip / 100,
    }  # fmt: skip
    return Asked(clip=clip, **(told | changed))


some_clips = st.lists(
    st.builds(
        asked,
        st.integers(1, 60),
        language=st.sampled_from(("", *LANGUAGES)),
        dialect=st.sampled_from(DIALECTS),
        error=st.none() | st.floats(0, 1),
        seconds=st.floats(0.5, 30),
    ),
    max_size=25,
    unique_by=lambda one: one.clip,
)
some_people = st.lists(
    st.builds(
        Person,
        key=st.integers(1, 9),
        languages=st.frozensets(st.sampled_from(LANGUAGES), max_size=2),
        dialects=st.frozensets(st.sampled_from(DIALECTS[1:]), max_size=1),
        daily_seconds=st.sampled_from([0.0, 600.0, 1800.0]),
        load_seconds=st.floats(0, 4000),
        is_here=st.sampled_from([True, True, True, False]),
    ),
    max_size=6,
    unique_by=lambda one: one.key,
)
some_rules = st.lists(
    st.builds(
        Rule,
        key=st.integers(1, 99),
        languages=st.frozensets(st.sampled_from(LANGUAGES), max_size=2),
        least_error=st.none() | st.floats(0, 1),
        share=st.floats(0.1, 1.0),
        people=st.integers(1, 3),
        is_blind=st.booleans(),
        only=st.frozensets(st.integers(1, 9), max_size=2),
    ),
    max_size=4,
    unique_by=lambda one: one.key,
)


@settings(max_examples=300, deadline=None)
@given(clips=some_clips, rules=some_rules, people=some_people, seed=st.integers(0, 5))
def test_every_pass_is_with_somebody_able_or_says_why_not(
    clips: list[Asked], rules: list[Rule], people: list[Person], seed: int
) -> None:
    passes = route(clips, rules, people, seed=seed)
    by_clip = defaultdict(list)
    for one in passes:
        by_clip[one.clip].append(one)
    known = {one.key: one for one in people}
    assert by_clip.keys() == {one.clip for one in clips}, "no clip is lost"
    for clip in clips:
        rule, given_out = rule_of(clip, rules, seed=seed), by_clip[clip.clip]
        assert [one.number for one in given_out] == list(range(1, rule.people + 1))
        takers = [one.person for one in given_out if one.person is not None]
        assert len(takers) == len(set(takers)), "nobody is asked twice about one clip"
        assert all(can_take(known[one], clip, rule) for one in takers)
        able = sum(can_take(one, clip, rule) for one in people)
        assert len(takers) == min(able, rule.people), "nobody able is left out while a pass waits"
        for one in given_out:
            assert one.is_blind == (rule.is_blind and one.number > 1)
            assert (one.because is not None) == bool(people and one.person is None)
    assert route(clips, rules, people, seed=seed) == passes, "the same again"


@settings(max_examples=200, deadline=None)
@given(
    seconds=st.lists(st.floats(0.5, 30), min_size=1, max_size=60),
    targets=st.lists(st.sampled_from([600.0, 900.0, 1800.0]), min_size=1, max_size=6),
    seed=st.integers(0, 5),
)
def test_work_is_shared_by_what_is_left_of_the_targets(
    seconds: list[float], targets: list[float], seed: int
) -> None:
    people = [Person(key=key, daily_seconds=daily) for key, daily in enumerate(targets)]
    clips = [asked(clip, seconds=length) for clip, length in enumerate(seconds)]
    load: Counter[int] = Counter()
    for one in route(clips, [], people, seed=seed):
        assert one.person is not None
        load[one.person] += clips[one.clip].seconds
    days = [load[one.key] / one.daily_seconds for one in people]
    longest = max(seconds) / min(targets)
    assert max(days) - min(days) <= longest + 1e-9, "no two are further apart than one clip"


def test_the_day_that_is_half_done_gets_half() -> None:
    people = [Person(key=1, load_seconds=900.0), Person(key=2)]
    load = Counter(
        one.person for one in route([asked(n, seconds=9.0) for n in range(200)], [], people, seed=1)
    )
    assert load[2] - load[1] == pytest.approx(100, abs=1), "the second catches up 900 s first"


def test_who_knows_what_few_know_is_kept_for_it() -> None:
    people = [Person(key=1, languages=frozenset({"en", "yue"})), Person(key=2, languages=frozenset({"en"}))]
    clips = [asked(n, language="en") for n in range(10)] + [asked(n, language="yue") for n in range(10, 20)]
    given_out = {one.clip: one.person for one in route(clips, [], people, seed=1)}
    assert [given_out[n] for n in range(10, 20)] == [1] * 10
    assert [given_out[n] for n in range(10)] == [2] * 10


def test_what_is_held_stays_where_it_can() -> None:
    people = [Person(key=1), Person(key=2), Person(key=3, is_here=False)]
    clips = [asked(n, numbers=(1,), held={1: 1 + n % 3}) for n in range(9)]
    after = {one.clip: one.person for one in route(clips, [], people, seed=1)}
    assert all(after[n] == 1 + n % 3 for n in range(9) if n % 3 != 2)
    assert sorted(after[n] for n in (2, 5, 8)) in ([1, 1, 2], [1, 2, 2])


def test_who_has_answered_or_knows_the_answer_is_not_asked() -> None:
    people = [Person(key=1), Person(key=2)]
    (one,) = route([asked(1, barred=frozenset({1}))], [], people, seed=1)
    assert one.person == 2
    (one,) = route([asked(1, barred=frozenset({1, 2}))], [], people, seed=1)
    assert one.because == Because.PEOPLE


@pytest.mark.parametrize(
    ("people", "rule", "because"),
    [
        ([Person(key=1, languages=frozenset({"zh"}))], EVERYONE, Because.LANGUAGE),
        ([Person(key=1, dialects=frozenset({"beijing"}))], EVERYONE, Because.DIALECT),
        ([Person(key=1)], Rule(key=1, only=frozenset({2})), Because.RULE),
        ([Person(key=1, is_here=False)], EVERYONE, Because.AWAY),
        ([Person(key=1, daily_seconds=0.0)], EVERYONE, Because.AWAY),
        ([Person(key=1), Person(key=2, is_here=False)], Rule(key=1, people=2), Because.PEOPLE),
    ],
)
def test_it_is_said_why_nobody_can(people: list[Person], rule: Rule, because: Because) -> None:
    passes = route([asked(1, dialect="scottish")], [rule] if rule.key else [], people, seed=1)
    assert passes[-1].person is None
    assert passes[-1].because == because


def test_the_first_rule_that_fits_holds_and_a_share_lets_the_rest_go_on() -> None:
    hard = Rule(key=1, least_error=0.5, people=3)
    some = Rule(key=2, languages=frozenset({"en"}), share=0.25, people=2, is_blind=True)
    clips = [asked(n, error=0.6 if n < 10 else 0.1) for n in range(1000)]
    wanted = Counter(one.clip for one in route(clips, [hard, some], [], seed=3))
    assert all(wanted[n] == 3 for n in range(10))
    twice = sum(wanted[n] == 2 for n in range(10, 1000))
    assert 200 < twice < 300
    assert sum(wanted[n] == 1 for n in range(10, 1000)) == 990 - twice


def test_a_rule_about_errors_says_nothing_of_clips_of_which_none_is_known() -> None:
    rule = Rule(key=1, most_error=0.5, people=2)
    assert rule_of(asked(1, error=None), [rule], seed=1) == EVERYONE
    assert rule_of(asked(1, error=0.5), [rule], seed=1) == rule


def test_draws_depend_on_the_clip_alone() -> None:
    rule = Rule(key=1, share=0.5, people=2)
    clips = [asked(n) for n in range(50)]
    alone = {one.clip: rule_of(one, [rule], seed=1) for one in clips}
    assert alone == {one.clip: rule_of(replace(one, place=0.0), [rule], seed=1) for one in reversed(clips)}
    assert 0 <= draw(1, "x") < 1
    assert draw(1, "x") != draw(2, "x")
