"""A head learns from clips and texts where the words are; equal seeds, equal heads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from earmark.speech.aligner import Aligner
from earmark.speech.aligner_head import AlignerHead
from earmark.speech.aligner_training import HeadPlan, train_aligner, train_head
from earmark.speech.errors import EarmarkError
from earmark.speech.mismatch import verdict
from earmark.speech.model_folder import LoadedModel

LETTERS = "abcdef"
PLAN = HeadPlan(rounds=5, passes=4, least_steps=60, learning_rate=2e-2)


def spoken_frames(text: str, rng: np.random.Generator) -> tuple[torch.Tensor, list[tuple[int, int]]]:
    """Encoder output in which each letter has a sound of its own of 2 to 7 frames, pauses between words, and noise."""
    sounds = np.random.default_rng(0).standard_normal((len(LETTERS) + 1, 16))
    rows, words = [0] * int(rng.integers(3, 8)), list[tuple[int, int]]()
    for word in text.split():
        first = len(rows)
        for letter in word:
            rows += [LETTERS.index(letter) + 1] * int(rng.integers(2, 8))
        words.append((first, len(rows)))
        rows += [0] * int(rng.integers(0, 6))
    rows += [0] * 3
    heard = sounds[rows] + 0.5 * rng.standard_normal((len(rows), 16))
    return torch.from_numpy(heard.astype(np.float32)), words


def some_clips(count: int, seed: int) -> tuple[list[torch.Tensor], list[str], list[list[tuple[int, int]]]]:
    rng = np.random.default_rng(seed)
    texts = [
        " ".join("".join(rng.choice(list(LETTERS), rng.integers(2, 5))) for _ in range(rng.integers(2, 4)))
        for _ in range(count)
    ]
    made = [spoken_frames(text, rng) for text in texts]
    return [frames for frames, _ in made], texts, [words for _, words in made]


def trained_on(count: int, seed: int, parent: AlignerHead | None = None) -> AlignerHead:
    frames, texts, words = some_clips(count, 1)
    loud = [np.arange(len(each)) >= spans[0][0] for each, spans in zip(frames, words, strict=True)]
    return train_head(frames, texts, loud, seed=seed, plan=PLAN, parent=parent)


@pytest.fixture(scope="module")
def learned() -> AlignerHead:
    return trained_on(80, seed=1)


def test_it_finds_words_nobody_marked(learned: AlignerHead) -> None:
    frames, texts, truths = some_clips(40, 2)
    found = Aligner(learned).align_batch(frames, texts)
    edges = [[edge / 0.02 + 0.5 for w in each.words for edge in (w.start, w.end)] for each in found]
    apart = np.abs(np.concatenate(edges) - np.array([edge for t in truths for span in t for edge in span]))
    assert np.median(apart) <= 1
    assert np.mean(apart <= 3) > 0.95


def test_a_text_that_is_not_said_is_told(learned: AlignerHead) -> None:
    frames, texts, _ = some_clips(40, 2)
    aligner = Aligner(learned)
    true = [verdict(aligner, each).matches for each in aligner.align_batch(frames, texts)]
    swapped = [verdict(aligner, each).matches for each in aligner.align_batch(frames, texts[1:] + texts[:1])]
    missing = aligner.align_batch(frames, [text.split(" ", 1)[1] for text in texts])
    assert np.mean(true) > 0.8
    assert np.mean(swapped) < 0.1
    assert np.mean([verdict(aligner, each).matches for each in missing]) < 0.3


def test_the_slip_is_where_the_missing_word_is(learned: AlignerHead) -> None:
    frames, words = spoken_frames("abc fed cab def", np.random.default_rng(4))
    first, after = words[2]
    found = verdict(Aligner(learned), Aligner(learned).align(frames, "abc fed def"))
    assert not found.matches
    assert (first - 5) * 0.02 <= found.slips[0] <= (after + 5) * 0.02


def test_equal_seeds_give_equal_heads(learned: AlignerHead) -> None:
    again, other = trained_on(80, seed=1), trained_on(80, seed=2)
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in learned.tensors().items())
    assert again.threshold == learned.threshold
    assert not torch.equal(learned.weight, other.weight)


def test_what_the_parent_knew_and_the_clips_do_not_say_is_kept(learned: AlignerHead) -> None:
    parent = replace(
        learned,
        vocabulary=learned.vocabulary + "四",
        weight=torch.cat([learned.weight, torch.ones(1, 16)]),
        bias=torch.cat([learned.bias, torch.zeros(1)]),
        log_prior=torch.cat([learned.log_prior, torch.tensor([-3.0])]),
        durations=torch.cat([learned.durations[:-2], torch.tensor([[2.0, 0.5]]), learned.durations[-2:]]),
    )
    head = trained_on(10, seed=1, parent=parent)
    assert head.vocabulary == parent.vocabulary
    assert head.durations[len(LETTERS) + 1].tolist() == [2.0, 0.5]


def test_from_sound_to_aligner(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    plan = HeadPlan(rounds=2, passes=1, least_steps=2)
    texts = ["a b", "a", "ab 四", ""]
    aligner = train_aligner(untrained, noise, texts, seed=3, plan=plan, about="noise")
    again = train_aligner(untrained, noise, texts, seed=3, plan=plan)
    assert aligner.head.vocabulary == "ab四"
    assert aligner.head.about == "noise"
    assert torch.equal(aligner.head.weight, again.head.weight)
    refit = train_aligner(replace(untrained, aligner=aligner), noise, ["c", "a", "", "b"], seed=3, plan=plan)
    assert refit.head.vocabulary == "ab四c"
    assert refit.head.about == "noise"


def test_texts_without_a_word_train_nothing(untrained: LoadedModel, noise: list[np.ndarray]) -> None:
    with pytest.raises(EarmarkError) as caught:
        train_aligner(untrained, noise[:1], ["..."], seed=1)
    assert caught.value.error_id == "speech:align:nothing"
