"""Models and sounds the speech tests share."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from earmark.speech.demo_phrases import characters, phrase
from earmark.speech.demo_voices import dialect, speak, training_speaker
from earmark.speech.model_folder import LoadedModel, load_model
from earmark.speech.synthesis import Synthesiser
from earmark.speech.tiny_model import untrained_tiny_model

TRAINED = Path(__file__).parents[2] / "models" / "glm-asr-tiny"

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def untrained() -> LoadedModel:
    """The architecture at its smallest, with random weights."""
    return untrained_tiny_model(characters(), seed=5, hidden=32, layers=1)


@pytest.fixture(scope="session")
def trained() -> LoadedModel:
    """The committed demo model."""
    return load_model(str(TRAINED))


@pytest.fixture(scope="session")
def spoken() -> list[tuple[np.ndarray, str]]:
    """Twelve phrases in American English and Mandarin: waveform [n] at 16 kHz, what is said."""
    rng, synthesiser = Random(11), Synthesiser()
    found = []
    for name in ("american", "mandarin") * 6:
        of = dialect(name)
        said = phrase(name, rng)
        found.append((speak(synthesiser, training_speaker(of, rng), said.say, rng), said.reference))
    return found


@pytest.fixture
def noise() -> list[np.ndarray]:
    """Four clips of noise, 0.1 to 2.5 s at 16 kHz."""
    rng = np.random.default_rng(2)
    return [(rng.standard_normal(n) * 0.1).astype(np.float32) for n in (16_000, 1_600, 40_000, 15_000)]
