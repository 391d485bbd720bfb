"""The search against every way there is, on lines small enough to try them all."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch

from earmark.speech.segments import LONGEST, Line, best_segments


def random_line(frames: int, characters: int, seed: int) -> Line:
    drawn = torch.Generator().manual_seed(seed)
    return Line(
        torch.randn(frames, characters, generator=drawn),
        torch.randn(frames, generator=drawn),
        torch.rand(characters, generator=drawn) < 0.5,
        torch.randn(characters, LONGEST, generator=drawn),
    )


def worth(line: Line, segments: np.ndarray) -> float:
    """The score of a division, from its definition; -inf where it may not be."""
    at, total = 0, 0.0
    for number, (first, after) in enumerate(segments.tolist()):
        if after <= first or (first > at and not line.may_pause[number]):
            return -np.inf
        total += float(line.pauses[at:first].sum() + line.characters[first:after, number].sum())
        total += float(line.durations[number, after - first - 1])
        at = after
    return total + float(line.pauses[at:].sum())


def every_division(line: Line) -> list[np.ndarray]:
    frames, characters = line.characters.shape
    edges = combinations_with_replacement(range(frames + 1), 2 * characters)
    return [np.array(each).reshape(characters, 2) for each in edges]


SIZES = [(5, 2), (6, 3), (3, 3), (7, 1), (4, 2)]


def test_the_best_of_all_divisions_is_found_for_clips_together() -> None:
    lines = [random_line(frames, count, seed) for seed, (frames, count) in enumerate(SIZES * 4)]
    for line, found in zip(lines, best_segments(lines), strict=True):
        assert found is not None
        best = max(worth(line, each) for each in every_division(line))
        assert worth(line, found) == pytest.approx(best, abs=1e-4)


def test_neighbours_change_nothing() -> None:
    lines = [random_line(frames, count, 9) for frames, count in SIZES]
    alone = [best_segments([line])[0] for line in lines]
    for one, other in zip(alone, best_segments(lines), strict=True):
        assert np.array_equal(one, other)


def test_more_characters_than_frames_do_not_fit() -> None:
    assert best_segments([random_line(3, 4, 1), random_line(5, 4, 1)])[0] is None


def test_a_text_without_characters_is_one_pause() -> None:
    found = best_segments([random_line(6, 0, 1), random_line(6, 2, 1)])
    assert found[0] is not None
    assert found[0].shape == (0, 2)
    assert best_segments([]) == []


def test_equal_characters_share_their_time_by_how_long_they_last() -> None:
    frames, count = 24, 2
    usual = -(torch.arange(1, LONGEST + 1).log() - np.log(12.0)).square() * 4
    line = Line(
        torch.zeros(frames, count),
        torch.full((frames,), -5.0),
        torch.tensor([True, False]),
        usual.expand(count, -1),
    )
    assert np.array_equal(best_segments([line])[0], [[0, 12], [12, 24]])
