"""Speech out of nothing."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from earmark.speech.errors import EarmarkError
from earmark.speech.synthesis import Synthesiser, Voice


def test_longer_text_takes_longer_and_sounds() -> None:
    synthesiser, voice = Synthesiser(), Voice("en-us", "m3")
    short, long = synthesiser.say("seven", voice), synthesiser.say("seven hundred and forty two", voice)
    assert short.rate == long.rate == 22_050
    assert short.samples.dtype == np.float32
    assert 0.05 < np.abs(short.samples).max() <= 1.0
    assert len(long.samples) > 2 * len(short.samples)


def test_each_word_is_where_it_sounds() -> None:
    text = "turn left, now please"
    spoken = Synthesiser().say(text, Voice("en-us", "m3"))
    words = [text[word.first : word.first + word.length] for word in spoken.words]
    assert words == ["turn", "left", "now", "please"]
    starts, ends = [word.start for word in spoken.words], [word.end for word in spoken.words]
    assert starts == sorted(starts)
    assert starts[0] == 0
    assert ends[:-1] == starts[1:]
    assert ends[-1] <= len(spoken.samples)
    comma = spoken.samples[spoken.words[1].start : spoken.words[1].end]
    assert np.abs(comma[-1_000:]).max() < 0.01 < np.abs(comma[:4_000]).max()
    alone = Synthesiser().say("turn", Voice("en-us", "m3")).samples
    assert spoken.words[0].end < len(alone) * 1.3


def test_pace_pitch_and_dialect_are_heard() -> None:
    synthesiser = Synthesiser()
    plain = synthesiser.say("turn on the light", Voice("en-us")).samples
    fast = synthesiser.say("turn on the light", Voice("en-us", words_per_minute=260)).samples
    assert len(fast) < 0.85 * len(plain)
    for other in (Voice("en-gb-scotland"), Voice("en-us", pitch=90), Voice("en-us", "f2")):
        said = synthesiser.say("turn on the light", other).samples
        assert len(said) != len(plain) or not np.allclose(said, plain, atol=0.02)


def test_a_fresh_process_says_the_same_again() -> None:
    program = (
        "import hashlib; from earmark.speech.synthesis import *; s = Synthesiser();"
        "print([hashlib.sha256(s.say(t, Voice('cmn', 'f3')).samples.tobytes()).hexdigest() for t in '一二三'])"
    )
    said = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True) for _ in range(2)
    ]
    assert said[0].stdout == said[1].stdout != b""


def test_threads_take_turns() -> None:
    """Pitch flutter moves a length by some hundred samples; another call's pace or text would double it."""
    slow, fast = Voice("en-us", "m1", words_per_minute=100), Voice("cmn", "f2", words_per_minute=300)
    asked = [("seven hundred", slow), ("打开", fast)] * 8
    expected = {text: len(Synthesiser().say(text, voice).samples) for text, voice in asked[:2]}
    assert expected["seven hundred"] > 2 * expected["打开"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: Synthesiser().say(*pair), asked))
    for (text, _), spoken in zip(asked, found, strict=True):
        assert len(spoken.samples) == pytest.approx(expected[text], rel=0.1)


def test_an_unknown_voice_and_an_unspeakable_text_are_refused() -> None:
    with pytest.raises(EarmarkError) as caught:
        Synthesiser().say("seven", Voice("xx-nowhere"))
    assert caught.value.error_id == "speech:synthesis:voice"
    with pytest.raises(EarmarkError) as caught:
        Synthesiser().say("", Voice("en-us"))
    assert caught.value.error_id == "speech:synthesis:failed"
