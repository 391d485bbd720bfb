import numpy as np
import pytest

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.hearing import Hearing
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.trust import calibrated_on, scores

ENTRIES = [
    ClipEntry(id=str(i), audio="a.flac", seconds=1, text="turn on the light", language="en")
    for i in range(60)
]


def _hearing(index: int, text: str, probability: float) -> Hearing:
    features = {"mean_logprob": float(np.log(probability)), "mean_probability": probability}
    return Hearing(index, text, probability, probability**4, probability, features, ())


def _dev(rng: np.random.Generator) -> list[Hearing]:
    """A model that is always sure, and right where it is a little surer."""
    right = rng.random(60) < 0.5
    return [
        _hearing(i, "turn on the light" if is_right else "turn", 0.99 if is_right else 0.95)
        for i, is_right in enumerate(right)
    ]


def test_raw_scores_are_the_models_own_probabilities():
    hearings = [_hearing(0, "a", 0.9), _hearing(1, "b", 0.5)]
    assert scores(hearings, "mean", None).tolist() == [0.9, 0.5]
    assert scores(hearings, "sequence", None).tolist() == pytest.approx([0.6561, 0.0625])
    assert scores([], "mean", None).shape == (0,)


def test_a_calibrated_score_is_what_dev_clips_show_it_to_be():
    rng = np.random.default_rng(0)
    calibrator = calibrated_on(_dev(rng), ENTRIES, rng)
    sure, doubtful = scores([_hearing(0, "x", 0.99), _hearing(1, "x", 0.95)], "calibrated", calibrator)
    assert sure > 0.9
    assert doubtful < 0.4


def test_too_few_dev_clips_teach_nothing():
    with pytest.raises(EarmarkError) as caught:
        calibrated_on([_hearing(0, "a", 0.9)], ENTRIES, np.random.default_rng(0))
    assert caught.value.error_id == "speech:calibration:too_few"
