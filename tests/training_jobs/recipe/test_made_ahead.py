"""What is made in the background, and the cut of a batch into passes: neither changes what is learned."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from earmark.speech.features import LogMel
from earmark.speech.model_folder import load_model
from earmark.speech.prompting import Request
from tests.training_jobs.recipe.conftest import WORD, sound
from training_jobs.recipe.cpu_linear import CpuLinear, use_fast_products, use_library_products
from training_jobs.recipe.encoded_clips import EncodedClips
from training_jobs.recipe.forward import Spoken
from training_jobs.recipe.learning_examples import Example, ExampleMaker
from training_jobs.recipe.prefetching import AHEAD, Prefetcher
from training_jobs.recipe.recipes import Augmentation
from training_jobs.recipe.steps import micro_batches


def test_what_is_made_ahead_comes_in_order_and_no_further_ahead_than_it_should() -> None:
    asked: list[int] = []
    gate = threading.Event()

    def make(number: int) -> int:
        asked.append(number)
        gate.wait(5)
        return number * number

    with ThreadPoolExecutor(2) as pool:
        found = Prefetcher(pool, make, 4, 9)
        gate.set()
        assert found.take() == 16
        assert max(asked) <= 4 + AHEAD
        assert [found.take() for _ in range(4)] == [25, 36, 49, 64]
    assert sorted(asked) == [4, 5, 6, 7, 8]


def test_what_went_wrong_ahead_is_raised_where_it_is_asked_for() -> None:
    def make(number: int) -> float:
        return 1 / (1 - number)

    with ThreadPoolExecutor(1) as pool:
        found = Prefetcher(pool, make, 0, 3)
        assert found.take() == 1
        with pytest.raises(ZeroDivisionError):
            found.take()


def _row(seconds: float) -> tuple[Example, int]:
    spectrum = LogMel(torch.zeros(1, 1), 0.0, round(100 * seconds), round(100 * seconds))
    return Example(Spoken(spectrum, Request((), ()), (1,))), 0


def test_passes_hold_neighbours_in_length_within_both_limits() -> None:
    rows = [_row(seconds) for seconds in (1.0, 9.0, 2.0, 8.0, 1.5, 30.0)]
    lengths = [[one.frames / 100 for one, _ in each] for each in micro_batches(rows, 3, 18.0)]
    assert lengths == [[30.0], [9.0, 8.0], [2.0, 1.5, 1.0]]
    assert [len(each) for each in micro_batches(rows, 4, 0.0)] == [4, 2]
    assert micro_batches(rows, 6, 0.0) == [rows]
    assert micro_batches([], 6, 0.0) == []


def test_fast_products_learn_what_the_librarys_learn() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 7, bias=False))
    x = torch.randn(3, 11, 24)

    def learned() -> list[torch.Tensor]:
        given = x.clone().requires_grad_()
        model.zero_grad()
        model(given).square().sum().backward()
        return [given.grad, *(parameter.grad.clone() for parameter in model.parameters())]

    expected = learned()
    use_fast_products(model)
    assert isinstance(model[0], CpuLinear)
    torch.testing.assert_close(learned(), expected, rtol=1e-4, atol=1e-4)
    use_library_products(model)
    assert type(model[2]) is nn.Linear


def test_an_example_does_not_depend_on_when_or_beside_what_it_is_made(one_word_model: Path) -> None:
    make = ExampleMaker(load_model(str(one_word_model)), Augmentation())

    def heard(seed: int) -> torch.Tensor:
        spectrum = make(sound(0.8, 300.0), WORD, rng=np.random.default_rng(seed), taught=True).heard.sound
        assert isinstance(spectrum, LogMel)
        return spectrum.own

    first = heard(1)
    other = heard(2)
    assert torch.equal(heard(1), first)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_an_encoding_is_the_same_kept_or_made_again(one_word_model: Path) -> None:
    loaded = load_model(str(one_word_model))
    tower, device = loaded.model.model.audio_tower, loaded.device
    keeping, forgetting = EncodedClips(tower, device, 1), EncodedClips(tower, device, 0)
    for encoded in (keeping, forgetting):
        make = ExampleMaker(loaded, Augmentation(), encoded)
        found = [
            make(sound(0.8, 300.0), WORD, rng=np.random.default_rng(0), taught=True, key="a")
            for _ in range(2)
        ]
        sounds = [one.clean.sound for one in found if one.clean]
        assert isinstance(sounds[0], torch.Tensor)
        assert (sounds[0] is sounds[1]) == (encoded is keeping)
        assert torch.equal(sounds[0], sounds[1])
        assert found[0].clean.audio_tokens == len(sounds[0]) // 4 == 10  # type: ignore[union-attr]
