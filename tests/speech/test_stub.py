"""The double keeps the engine's manners."""

import numpy as np
import pytest

from earmark.speech.engine import Engine
from earmark.speech.errors import EarmarkError
from earmark.speech.stub import StubEngine, heard


def test_it_says_what_it_is_told_and_refuses_what_an_engine_refuses() -> None:
    engine: Engine = StubEngine(lambda waveform: heard(f"{len(waveform)} samples"))
    assert [h.text for h in engine.hear([np.zeros(1_600), np.zeros(3_200)])] == [
        "1600 samples",
        "3200 samples",
    ]
    with pytest.raises(EarmarkError):
        engine.hear([np.zeros(10)])


def test_what_it_hears_looks_like_a_transcript() -> None:
    assert "".join(token.text for token in heard("打开").tokens) == "打开"
    assert len(heard("打开").tokens) == 3
    assert len(heard("打开", truncated=True).tokens) == 2
