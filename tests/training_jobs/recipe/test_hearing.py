import numpy as np
import pytest

from training_jobs.recipe.hearing import SPEEDS, Hearing, views_of, voted
from training_jobs.recipe.recipes import VIEWS


def _view(text: str, sequence: float, mean: float = 0.9) -> Hearing:
    return Hearing(3, text, mean, sequence, sequence, {"mean_logprob": -mean}, ())


def test_one_view_is_what_was_heard():
    assert voted([_view("one", 0.2)]) == _view("one", 0.2)


def test_two_views_that_agree_outvote_a_surer_one():
    found = voted([_view("two one", 0.5), _view("four one", 0.3, 0.7), _view("four one", 0.4, 0.8)])
    assert (found.text, found.sequence, found.mean) == ("four one", 0.4, 0.8)
    assert found.features == {"mean_logprob": -0.8, "disagreement": pytest.approx(0.25)}


def test_a_sure_view_stands_against_two_that_only_guess():
    assert voted([_view("two", 0.9), _view("four", 0.1), _view("ten", 0.2)]).text == "two"


def test_views_are_the_clip_at_other_speeds():
    samples = np.sin(np.arange(16_000) / 10).astype(np.float32)
    views = views_of(samples, 3)
    assert views[0] is samples
    assert [round(len(view) / 16_000, 2) for view in views] == [1.0, 1.09, 0.93]
    assert tuple(SPEEDS) == VIEWS
    assert all(len(speeds) == count for count, speeds in SPEEDS.items())
