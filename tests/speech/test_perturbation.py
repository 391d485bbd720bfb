"""Agreement under perturbation: only near the decision, and only what changes counts."""

import numpy as np
import pytest

from earmark.speech.perturbation import WAYS, disagreements, distance, near_decision
from earmark.speech.stub import StubEngine, heard


def tone(seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(np.arange(round(seconds * 16_000)) * 0.2)).astype(np.float32)


def test_the_least_decided_are_taken_while_the_budget_lasts() -> None:
    assert near_decision([0.99, 0.5, 0.7, 0.01, 0.45], [1.0] * 5, 2.0) == [1, 4]
    assert near_decision([0.5, 0.6], [5.0, 1.0], 2.0) == [1]
    assert near_decision([0.5], [1.0], 0.0) == []


def test_a_text_that_stands_agrees_and_one_that_follows_the_sound_does_not() -> None:
    rng = np.random.default_rng(1)
    firm = StubEngine(lambda _sound: heard("turn left"))
    swayed = StubEngine(lambda sound: heard("turn left" if len(sound) == 16_000 else "burn it"))
    texts = [heard("turn left")]
    assert disagreements(firm, [tone()], texts, rng) == [0.0]
    assert disagreements(swayed, [tone()], texts, rng) == [pytest.approx(1 / 3)]
    assert disagreements(swayed, [tone()], texts, rng, ways=["speed"]) == [1.0]


@pytest.mark.parametrize("way", WAYS)
def test_copies_change_a_little_and_stay_within_what_engines_hear(way: str) -> None:
    sound = tone(29.5)
    copy = WAYS[way](sound, np.random.default_rng(2))
    assert copy.dtype == np.float32
    assert len(copy) >= len(sound)
    assert not np.array_equal(copy[: len(sound)], sound)
    engine = StubEngine(lambda _given: heard("a"))
    assert disagreements(engine, [sound], [heard("a")], np.random.default_rng(2), ways=[way]) == [0.0]


def test_nothing_to_perturb_asks_nothing_of_the_engine() -> None:
    assert disagreements(StubEngine(lambda _sound: heard("a")), [], [], np.random.default_rng(3)) == []


def test_distance_is_over_the_longer_text() -> None:
    assert distance("", "") == 0.0
    assert distance("go left", "go") == 0.5
    assert distance("", "go left") == 1.0
