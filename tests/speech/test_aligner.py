"""Times of words, on a head whose hearing is written by hand and on the demo model's."""

import math
from random import Random

import numpy as np
import pytest
import torch

from earmark.speech.aligner import LOWEST, Aligner
from earmark.speech.aligner_head import AlignerHead
from earmark.speech.alignment import align_text
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.demo_phrases import phrase
from earmark.speech.demo_voices import dialect, speak_timed, training_speaker
from earmark.speech.engine import Word
from earmark.speech.errors import EarmarkError
from earmark.speech.model_folder import LoadedModel
from earmark.speech.spelling import Spelt, spell
from earmark.speech.synthesis import Synthesiser

VOCABULARY = "abc四"


@pytest.fixture(scope="module")
def clear() -> Aligner:
    """Hears class i wherever the encoder's output is 1 at i and 0 elsewhere."""
    classes = len(VOCABULARY) + 1
    durations = torch.tensor([[math.log(4.0), 0.8]]).repeat(classes + 2, 1)
    return Aligner(
        AlignerHead(
            vocabulary=VOCABULARY,
            weight=12.0 * torch.eye(classes),
            bias=torch.zeros(classes),
            log_prior=torch.full((classes,), -math.log(classes)),
            durations=durations,
            threshold=2.0,
        )
    )


def frames(*heard: tuple[str, int]) -> torch.Tensor:
    """Encoder output in which each character (or `-`, silence) sounds for so many frames."""
    classes = [
        0 if each == "-" else VOCABULARY.index(each) + 1 for each, count in heard for _ in range(count)
    ]
    return torch.nn.functional.one_hot(torch.tensor(classes), len(VOCABULARY) + 1).float()


def times(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in words]


def test_words_begin_and_end_where_they_sound(clear: Aligner) -> None:
    heard = frames(("-", 5), ("a", 4), ("b", 3), ("-", 6), ("c", 5), ("四", 7), ("-", 2))
    found = clear.align(heard, "Ab, c 四!")
    assert times(found.words) == [("Ab", 0.09, 0.23), ("c", 0.35, 0.45), ("四", 0.45, 0.59)]
    assert all(word.score > 0.99 for word in found.words)
    assert found.score == pytest.approx(0.0, abs=0.01)


def test_times_stay_within_the_clip(clear: Aligner) -> None:
    found = clear.align(frames(("a", 4), ("b", 4)), "a b")
    assert times(found.words) == [("a", 0.0, 0.07), ("b", 0.07, 0.15)]


def test_a_character_the_head_never_saw_takes_the_speech_between_its_neighbours(clear: Aligner) -> None:
    heard = frames(("-", 3), ("a", 5), ("c", 6), ("b", 5), ("-", 3))
    found = clear.align(heard, "a 7 b")
    assert [word.text for word in found.words] == ["a", "7", "b"]
    seven = found.words[1]
    assert (seven.start, seven.end) == pytest.approx((0.15, 0.27), abs=0.03)
    assert 0.4 < seven.score <= 0.5


def test_a_word_that_is_not_there_scores_low_and_the_others_do_not(clear: Aligner) -> None:
    heard = frames(("a", 6), ("-", 4), ("b", 6))
    found = clear.align(heard, "a c b")
    assert found.words[1].score < 0.01
    assert found.words[0].score > 0.9
    assert found.score < -1
    assert found.misfit > clear.align(heard, "a b").misfit + 1


def test_more_characters_than_frames_share_the_time_and_fit_nothing(clear: Aligner) -> None:
    found = clear.align(frames(("a", 4)), "aaa bbbcc")
    assert times(found.words) == [("aaa", 0.0, 0.03), ("bbbcc", 0.03, 0.08)]
    assert found.score == LOWEST
    assert [word.score for word in found.words] == [0.0, 0.0]


@pytest.mark.parametrize("text", ["", "  ", "?!，。"])
def test_no_words_no_times(clear: Aligner, text: str) -> None:
    found = clear.align(frames(("-", 10)), text)
    assert (found.words, found.score) == ((), 0.0)


def test_clips_together_are_as_clips_alone(clear: Aligner) -> None:
    heard = [frames(("a", 4), ("b", 9)), frames(("-", 9), ("四", 5)), frames(("c", 3))]
    texts = ["a b", "四 四", ""]
    together = clear.align_batch(heard, texts)
    assert together == [clear.align(*pair) for pair in zip(heard, texts, strict=True)]


def test_a_text_for_every_clip(clear: Aligner, untrained: LoadedModel) -> None:
    with pytest.raises(EarmarkError) as caught:
        clear.align_batch([frames(("a", 2))], ["a", "b"])
    assert caught.value.error_id == "speech:align:unpaired"
    with pytest.raises(EarmarkError) as caught:
        align_text(untrained, [], [])
    assert caught.value.error_id == "speech:align:missing"


def test_words_are_spelt_as_they_are_spoken() -> None:
    assert spell("Don't stop, 打开Well-known电视 42%！") == [
        Spelt("Don't", "don't"), Spelt("stop", "stop"), Spelt("打", "打"), Spelt("开", "开"),
        Spelt("Well-known", "wellknown"), Spelt("电", "电"), Spelt("视", "视"), Spelt("42", "42"),
    ]  # fmt: skip
    assert spell("— ... ！") == []


def test_the_demo_models_word_times_are_near_the_synthesisers(trained: LoadedModel) -> None:
    rng, synthesiser = Random(5), Synthesiser()
    waveforms, texts, truths = [], [], []
    while len(texts) < 24:
        of = dialect(("american", "mandarin", "scottish")[len(texts) % 3])
        text = phrase(of.name, rng).say
        samples, words = speak_timed(synthesiser, training_speaker(of, rng), text, rng)
        if len(words) == len(spell(text)):
            waveforms.append(samples)
            texts.append(text)
            truths.append([edge / SAMPLE_RATE for word in words for edge in (word.start, word.end)])
    found = align_text(trained, waveforms, texts)
    edges = [[edge for word in each.words for edge in (word.start, word.end)] for each in found]
    apart = np.abs(np.concatenate(edges) - np.concatenate(truths))
    assert np.median(apart) < 0.03
    assert np.mean(apart <= 0.1) > 0.93


def test_thirty_seconds_and_four_hundred_characters(trained: LoadedModel) -> None:
    noise = (np.random.default_rng(1).standard_normal(30 * SAMPLE_RATE) * 0.1).astype(np.float32)
    found = align_text(trained, [noise], ["一二三四五六七八九十" * 40])[0]
    assert len(found.words) == 400
    starts = [word.start for word in found.words]
    assert starts == sorted(starts)
    assert found.words[-1].end <= 30.0
