"""How often people err is found out without the truth, and better with some of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import Overlapped
from annotation.reliability import Known, known_scores, reliabilities, vote
from benchmarks.made_labels import labelled_clips
from earmark.speech.scoring import count_errors, error_rate


@pytest.mark.parametrize("language", ["en", "zh"])
def test_error_rates_are_found_without_any_truth(language: str) -> None:
    rates = (0.03, 0.06, 0.12)
    clips = labelled_clips(language, 300, people=3, seed=7, rates=rates)
    found = {one.person: one for one in reliabilities([one.said for one in clips], seed=1, resamples=20)}
    for person in ("p0", "p1", "p2"):
        true = error_rate(count_errors(one.truth, one.said.texts[person], language) for one in clips)
        assert found[person].error_rate == pytest.approx(true, rel=0.2)
        assert found[person].low <= found[person].error_rate <= found[person].high
        assert found[person].clips == 300
        assert found[person].known is None
    assert vote(found["p0"].error_rate) > vote(found["p1"].error_rate) > vote(found["p2"].error_rate) > 0


def test_errors_all_make_together_are_only_seen_on_known_answers() -> None:
    clips = [Overlapped(n, "en", dict.fromkeys(("a", "b"), "turn in on please")) for n in range(40)]
    known = [Known(n, "en", "a", "turn in on please", "turn it on please") for n in range(40)]
    alone = {one.person: one for one in reliabilities(clips, seed=1, resamples=5)}
    both = {one.person: one for one in reliabilities(clips, known, seed=1, resamples=5)}
    assert alone["a"].error_rate < 0.03
    assert both["a"].known
    assert both["a"].known.error_rate == 0.25
    assert both["a"].error_rate > 0.1
    assert both["a"].overlap_rate == pytest.approx(alone["a"].error_rate)


def test_who_shares_no_clip_is_known_by_known_answers_alone() -> None:
    known = [Known(n, "en", "a", "turn it on" if n else "turn it off", "turn it on") for n in range(10)]
    (found,) = reliabilities([Overlapped(1, "en", {"b": "alone"})], known, seed=1, resamples=20)
    assert (found.person, found.clips, found.overlap_rate) == ("a", 0, None)
    score = found.known
    assert score
    assert (score.clips, score.errors, score.units, score.right) == (10, 1, 30, 9)
    # Wilson's interval of 9 in 10
    assert (score.right_low, score.right_high) == (
        pytest.approx(0.5958, abs=1e-3),
        pytest.approx(0.9821, abs=1e-3),
    )
    assert score.low <= score.error_rate <= score.high
    assert known_scores([], seed=1) == {}
    assert reliabilities([], [], seed=1) == []


def test_a_person_with_little_work_is_drawn_towards_the_others() -> None:
    clips = [one.said for one in labelled_clips("en", 120, people=3, seed=3, rates=(0.05, 0.05, 0.05))]
    new = Overlapped(999, "en", {"new": "yes", "p0": "yes", "p1": "yes"})
    found = {one.person: one for one in reliabilities([*clips, new], seed=1, resamples=5)}
    assert 0.02 < found["new"].error_rate < 0.08


@given(
    st.lists(st.lists(st.sampled_from(["on", "off", ""]), min_size=2, max_size=3), max_size=6),
    st.integers(0, 9),
)
def test_rates_are_shares_and_repeat_with_the_seed(texts: list[list[str]], seed: int) -> None:
    clips = [
        Overlapped(n, "en", {f"p{k}": text for k, text in enumerate(one)}) for n, one in enumerate(texts)
    ]
    found = reliabilities(clips, seed=seed, resamples=3)
    assert found == reliabilities(clips, seed=seed, resamples=3)
    assert all(0 <= one.low <= one.error_rate <= one.high <= 1 for one in found)
