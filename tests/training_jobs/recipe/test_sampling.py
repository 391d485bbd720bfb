import numpy as np
import pytest

from training_jobs.recipe.sampling import batch_stream, generator, in_step, neighbour_batches

SECONDS = np.random.default_rng(0).uniform(0.5, 10.0, 103).tolist()


def test_a_place_in_the_run_always_draws_the_same_numbers_and_another_place_others():
    draws = [generator(*place).random(3).tolist() for place in [(1, "real", 4), (1, "real", 4)]]
    assert draws[0] == draws[1]
    others = [
        generator(*place).random(3).tolist() for place in [(2, "real", 4), (1, "pseudo", 4), (1, "real", 5)]
    ]
    assert all(other != draws[0] for other in others)


def test_a_pass_holds_every_clip_once():
    batches = neighbour_batches(SECONDS, 16, generator(0))
    assert sorted(i for batch in batches for i in batch) == list(range(103))
    assert max(map(len, batches)) == 16


def test_neighbours_are_of_similar_length_and_passes_differ():
    batches = neighbour_batches(SECONDS, 16, generator(0))
    padded = sum(len(b) * max(SECONDS[i] for i in b) for b in batches)
    assert padded < 1.25 * sum(SECONDS)
    assert neighbour_batches(SECONDS, 16, generator(1)) != batches


@pytest.mark.parametrize(("clips", "size"), [(103, 16), (16, 16), (5, 16), (1, 4), (7, 1)])
def test_a_stream_has_full_batches_for_as_long_as_asked(clips, size):
    stream = batch_stream(SECONDS[:clips], size, 40, generator(3))
    assert len(stream) == 40
    assert {len(batch) for batch in stream} == {min(size, clips)}
    assert all(len(set(batch)) == len(batch) for batch in stream)
    counts = np.bincount([i for batch in stream for i in batch], minlength=clips)
    assert counts.min() > 0


def test_an_empty_stream():
    assert batch_stream([], 4, 10, generator(0)) == []
    assert batch_stream(SECONDS, 0, 10, generator(0)) == []


def test_batches_of_one_step_are_of_similar_length_and_nothing_else_changes():
    streams = [batch_stream(SECONDS, size, 60, generator(size)) for size in (4, 9)]
    together = in_step([*streams, []], [SECONDS, SECONDS, []], generator(0))
    assert together[2] == []
    for before, after in zip(streams, together, strict=False):
        assert sorted(before) == sorted(after)

    def padded(one, other):
        return sum(max(SECONDS[i] for i in [*a, *b]) for a, b in zip(one, other, strict=True))

    assert padded(*together[:2]) < 0.9 * padded(*streams)
    longest = [max(SECONDS[i] for i in batch) for batch in together[0]]
    assert longest != sorted(longest)
