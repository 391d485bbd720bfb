"""The prior: more doubt, less trust; flags for what a model is confidently wrong about."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech.confidence import FLAGS, clip_confidence
from earmark.speech.engine import Heard, TokenScore, Word
from earmark.speech.errors import EarmarkError
from earmark.speech.sound_signs import loudest_dbfs
from earmark.speech.stub import heard
from earmark.speech.text_signs import compression_ratio, is_loop
from earmark.speech.word_doubts import words_of

LOGPROBS = st.lists(st.tuples(st.floats(-20, 0), st.floats(0, 3)), min_size=1, max_size=20)


def made_of(scores: list[tuple[float, float]]) -> Heard:
    tokens = [TokenScore(1, "a", logprob, entropy) for logprob, entropy in scores]
    return Heard("turn on the light", tuple(tokens), truncated=False)


@given(LOGPROBS, st.floats(0.2, 30))
def test_the_value_is_a_share_and_the_features_are_finite(
    scores: list[tuple[float, float]], seconds: float
) -> None:
    found = clip_confidence(made_of(scores), seconds)
    assert 0.0 <= found.value <= 1.0
    assert all(np.isfinite(value) for value in found.features.values())
    assert set(found.flags) <= set(FLAGS)


@given(LOGPROBS, st.integers(0, 19), st.floats(0.01, 5))
def test_a_more_doubtful_token_never_raises_trust(
    scores: list[tuple[float, float]], index: int, doubt: float
) -> None:
    index %= len(scores)
    worse = [*scores]
    worse[index] = (scores[index][0] - doubt, scores[index][1] + doubt)
    assert clip_confidence(made_of(worse), 1.5).value <= clip_confidence(made_of(scores), 1.5).value + 1e-12


def test_certain_speech_is_trusted_and_unsure_speech_is_not() -> None:
    sure = clip_confidence(heard("turn on the light", logprob=-0.001, entropy=0.005), 1.4)
    unsure = clip_confidence(heard("turn on the light", logprob=-1.5, entropy=1.5), 1.4)
    assert sure.value > 0.95
    assert unsure.value < 0.4
    assert sure.flags == ()


def test_one_weak_token_pulls_the_clip_down_further_than_its_share_of_the_mean() -> None:
    good = heard("open the window", logprob=-0.01)
    weak = replace(good, tokens=(replace(good.tokens[0], logprob=-2.0), *good.tokens[1:]))
    drop = clip_confidence(good, 1.2).value - clip_confidence(weak, 1.2).value
    assert drop > 0.3


@pytest.mark.parametrize(
    ("said", "seconds", "flag"),
    [
        (heard(""), 1.0, "empty"),
        (heard("  "), 1.0, "empty"),
        (heard("turn on", truncated=True), 1.0, "truncated"),
        (heard("打打打打打打打打"), 2.0, "loop"),
        (heard("the light is on " * 6), 6.0, "loop"),
        (heard("turn on the light in the kitchen and the hall"), 0.5, "odd_rate"),
        (heard("一二三四五六七八九十"), 0.4, "odd_rate"),
        (heard("hi"), 29.0, "odd_rate"),
    ],
)
def test_flags(said: Heard, seconds: float, flag: str) -> None:
    found = clip_confidence(said, seconds)
    assert flag in found.flags
    assert found.value <= 0.25


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("seven", 1.0), ("七七七", 1.2), ("three three three three", 1.8), ("set the alarm for eleven", 1.2)],
)
def test_short_commands_raise_no_flag(text: str, seconds: float) -> None:
    assert clip_confidence(heard(text), seconds).flags == ()


def test_text_over_silence_is_flagged() -> None:
    quiet = np.full(16_000, 1e-4, dtype=np.float32)
    assert clip_confidence(heard("seven"), 1.0, quiet).flags == ("silence",)
    assert clip_confidence(heard(""), 1.0, quiet).flags == ("empty", "silence")


def test_a_short_sound_in_a_long_silence_is_not_silence() -> None:
    waveform = np.zeros(160_000, dtype=np.float32)
    waveform[50_000:51_600] = 0.1
    assert loudest_dbfs(waveform) == pytest.approx(-20, abs=3)
    assert loudest_dbfs(np.zeros(1_000, dtype=np.float32)) == -np.inf


def test_compression_grows_with_repetition() -> None:
    assert compression_ratio("go left " * 30) > 2.4 > compression_ratio("go left at the old stone bridge")
    assert compression_ratio("") == 0.0


def test_a_phrase_said_three_times_over_is_a_loop_and_twice_is_not() -> None:
    assert is_loop("we went to town " * 3)
    assert not is_loop("we went to town " * 2)


def test_a_clip_without_length_is_refused() -> None:
    with pytest.raises(EarmarkError) as caught:
        clip_confidence(heard("a"), 0.0)
    assert caught.value.error_id == "speech:clip:too_short"


@pytest.mark.parametrize(
    ("text", "language", "flagged"),
    [
        ("打开客厅的灯", "en", True),
        ("turn on the light", "zh", True),
        ("turn on the light", "en", False),
        ("打开客厅的灯", "yue", False),
        ("ok", "zh", False),
        ("打开 wifi", "zh", False),
        ("播放 hello 音乐", "en", True),
        ("включи свет", "en", True),
        ("включи", "zh", True),
        ("turn on the light", "", False),
        ("включи свет", "ru", False),
        ("12 34", "zh", False),
    ],
)
def test_another_script_than_the_languages_is_flagged(text: str, language: str, flagged: bool) -> None:
    assert ("wrong_language" in clip_confidence(heard(text), 3.0, language=language).flags) is flagged


def test_an_engine_that_recognised_another_language_is_believed_but_not_between_chinese_ones() -> None:
    said = replace(heard("hello there"), language="en")
    assert "wrong_language" in clip_confidence(said, 1.0, language="de").flags
    assert clip_confidence(said, 1.0, language="en").flags == ()
    assert clip_confidence(replace(heard("开门"), language="zh"), 1.0, language="yue").flags == ()


def test_text_needs_a_voice_for_long_enough() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 32_000).astype(np.float32)
    said = heard("turn on the light")
    assert clip_confidence(said, 2.0, sound).flags == ("no_speech",)
    assert clip_confidence(said, 2.0, sound, voice_seconds=0.1).flags == ("no_speech",)
    assert clip_confidence(said, 2.0, sound, voice_seconds=1.1).flags == ()
    assert clip_confidence(heard(""), 2.0, sound).flags == ("empty",)


def test_what_an_engine_does_not_tell_is_left_out() -> None:
    silent = Heard("turn on the light", (), truncated=False)
    found = clip_confidence(silent, 1.5)
    assert found.value == 0.5
    assert "mean_logprob" not in found.features
    no_entropy = replace(heard("go"), tokens=tuple(replace(t, entropy=np.nan) for t in heard("go").tokens))
    assert "mean_entropy" not in clip_confidence(no_entropy, 1.0).features
    assert all(np.isfinite(value) for value in clip_confidence(no_entropy, 1.0).features.values())


def test_a_text_that_does_not_fit_is_flagged_and_told_of() -> None:
    words = (Word("go", 0.1, 0.3, 0.8), Word("left", 0.9, 1.2, 0.2))
    aligned = replace(heard("go left"), words=words, alignment=-0.5)
    found = clip_confidence(aligned, 1.4)
    assert found.features["worst_word"] == 0.2
    assert found.features["longest_pause"] == pytest.approx(0.6)
    assert found.flags == ()
    assert clip_confidence(replace(aligned, alignment=-15.0), 1.4).flags == ("misaligned",)


def test_tokens_are_put_together_to_words() -> None:
    spelt = [
        ("tu", -0.1),
        ("rn", -0.2),
        (" ", 0.0),
        ("left", -0.3),
        ("打", -0.4),
        ("", -0.1),
        ("开", -0.5),
        ("", -0.6),
    ]
    tokens = [TokenScore(1, text, logprob, 0.1 * place) for place, (text, logprob) in enumerate(spelt)]
    found = [(word.text, round(word.logprob, 3)) for word in words_of(tokens)]
    assert found == [("turn", -0.3), ("left", -0.3), ("打", -0.5), ("开", -1.1)]
    assert words_of([]) == []
