"""Calibration: what is learned is right on other clips, survives JSON, and refuses what it does not know."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from earmark.speech.calibration import COLUMNS, Assessed, Calibrator
from earmark.speech.calibration_figures import calibration_error
from earmark.speech.calibration_fit import AS_IT_IS, FEWEST, Audited, audited, fit, words_right
from earmark.speech.calibration_report import report
from earmark.speech.errors import EarmarkError
from earmark.speech.probability_maps import LogisticMap, as_json
from earmark.speech.scoring import ErrorCounts
from earmark.speech.word_doubts import WordDoubt

BRIGHTNESS = as_json(LogisticMap(("brightness",), (0.0,), (1.0,), (1.0,), 0.0))
ONE_WORD = ErrorCounts(0, 0, 0, 1)


def some_clips(count: int, seed: int, *, prior_is_true: bool = False) -> list[Audited]:
    """Right with a known probability that the log-probability tells, and the prior only if told so."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        truth = float(rng.beta(1.2, 0.8))
        right = rng.random() < truth
        features = {
            "mean_logprob": -float(np.exp(-np.log(truth / (1 - truth)))),
            "mean_probability": 0.5 + truth / 2,
            "fullness": float(rng.random()),
        }
        prior = truth if prior_is_true else float(np.sqrt(truth))
        found.append(
            Audited(
                Assessed(prior, features, ()),
                ErrorCounts(0 if right else 2, 0, 0, 4),
                "en" if truth > 0.3 else "zh",
            )
        )
    return found


def assessed(clips: list[Audited]) -> list[Assessed]:
    return [clip.assessed for clip in clips]


def rightness(clips: list[Audited]) -> np.ndarray:
    return np.array([clip.is_right for clip in clips], np.float64)


@pytest.fixture(scope="module")
def fitted() -> Calibrator:
    return fit(some_clips(300, 1), np.random.default_rng(0))


def test_probabilities_hold_on_other_clips_where_the_prior_does_not(fitted: Calibrator) -> None:
    fresh = some_clips(4_000, 2)
    right, rate = fitted.assess(assessed(fresh))
    prior = np.array([clip.assessed.prior for clip in fresh])
    assert calibration_error(right, rightness(fresh)) < 0.04 < calibration_error(prior, rightness(fresh))
    assert rate.mean() == pytest.approx(np.mean([clip.rate for clip in fresh]), abs=0.03)
    assert np.all(rate <= 1 - right + 1e-12)


def test_a_prior_that_is_true_is_kept_as_it_is() -> None:
    learned = fit(some_clips(40, 3, prior_is_true=True), np.random.default_rng(0))
    assert learned.right == AS_IT_IS
    clips = [Assessed(value, {}, ()) for value in (0.001, 0.2, 0.999)]
    right, rate = learned.assess(clips)
    assert right == pytest.approx([0.001, 0.2, 0.999], abs=1e-6)
    assert np.all(np.diff(rate) < 0)


def test_clips_that_are_all_right_make_nothing_certain() -> None:
    clips = [replace(clip, counts=ONE_WORD) for clip in some_clips(30, 4)]
    right, _rate = fit(clips, np.random.default_rng(0)).assess(assessed(clips))
    assert np.all((right > 0.5) & (right < 1.0))


def test_a_calibrator_reads_back_what_it_wrote(fitted: Calibrator) -> None:
    clips = assessed(some_clips(50, 5))
    again = Calibrator.from_json(json.loads(json.dumps(fitted.as_json())))
    np.testing.assert_array_equal(again.assess(clips), fitted.assess(clips))


def test_what_a_clip_lacks_counts_as_usual(fitted: Calibrator) -> None:
    right, rate = fitted.assess([Assessed(0.5, {}, ()), Assessed(0.5, {"mean_logprob": None}, ())])
    assert right[0] == right[1]
    assert np.isfinite([right, rate]).all()


@pytest.mark.parametrize(
    ("spoil", "error_id"),
    [
        (lambda told: told.update(version=99), "speech:calibration:version"),
        (lambda told: told["right"].update(kind="isotonic"), "speech:calibration:unreadable"),
        (lambda told: told.update(right=BRIGHTNESS), "speech:calibration:features"),
        (lambda told: told["right"].update(weights=[1.0] * 99), "speech:calibration:unreadable"),
        (lambda told: told["rate"].update(kind="oracle"), "speech:calibration:unreadable"),
        (lambda told: told["rate"].update(intercept="high"), "speech:calibration:unreadable"),
        (lambda told: told.pop("right"), "speech:calibration:unreadable"),
    ],
)  # fmt: skip
def test_parameters_it_does_not_know_are_refused(
    fitted: Calibrator, spoil: Callable[[dict[str, Any]], object], error_id: str
) -> None:
    told = json.loads(json.dumps(fitted.as_json()))
    spoil(told)
    with pytest.raises(EarmarkError) as caught:
        Calibrator.from_json(told)
    assert caught.value.error_id == error_id


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(EarmarkError) as caught:
        fit(some_clips(FEWEST - 1, 6), np.random.default_rng(0))
    assert caught.value.error_id == "speech:calibration:too_few"


def test_the_same_clips_give_the_same_calibration() -> None:
    clips = some_clips(60, 7)
    first, second = (fit(clips, np.random.default_rng(3)).as_json() for _ in range(2))
    assert first == second


def test_a_report_judges_clips_it_was_not_fitted_on_and_says_when_they_are_few() -> None:
    told = report(some_clips(60, 8), seed=1)
    json.dumps(told, allow_nan=False)
    assert told["few"] is True
    assert told["clips"] == 60
    assert told["calibrated"]["auroc"] > 0.7
    assert sum(one["clips"] for one in told["reliability"]) == 60
    assert [one["language"] for one in told["languages"]] == ["en", "zh"]
    assert sum(one["clips"] for one in told["languages"]) == 60
    assert told["risk_coverage"]["calibrated"][-1] == [1.0, pytest.approx(told["wrong"] / 60, abs=1e-4)]


def test_words_are_right_where_the_reference_has_them() -> None:
    words = [WordDoubt(text, -0.1, 0.1) for text in ("Turn", "on", "the", "bright", "light!")]
    assert words_right(words, "turn on the light") == [True, True, True, False, True]
    assert words_right([WordDoubt(text, -0.1, 0.1) for text in "打开门"], "打门") == [True, False, True]
    assert words_right(words[:1], "") == [False]


def test_an_audited_clip_is_held_against_its_reference_in_its_languages_units() -> None:
    clip = audited(Assessed(0.5, {}, ()), text="打开 灯", reference="打开门", language="zh")
    assert clip.counts.errors == 1
    assert clip.rate == pytest.approx(1 / 3)
    empty = audited(Assessed(0.5, {}, ()), text="nobody said this", reference="", language="en")
    assert (empty.is_right, empty.rate) == (False, 1.0)


def test_every_column_copes_with_nothing_known() -> None:
    nothing = Assessed(0.0, {}, ())
    assert {name for name, column in COLUMNS.items() if not np.isnan(column(nothing))} == {
        "prior", "is_flagged", "is_empty",
    }  # fmt: skip
