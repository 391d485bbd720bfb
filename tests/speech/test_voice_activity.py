"""Silero's detector, heard in a stream."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from earmark.speech.demo_voices import dialect, speak, training_speaker
from earmark.speech.synthesis import Synthesiser
from earmark.speech.voice_activity import VOICE_FRAME, VoiceDetector, load


def heard(samples: np.ndarray, block: int = 1 << 17) -> np.ndarray:
    detector = VoiceDetector()
    for first in range(0, len(samples), block):
        detector.add(samples[first : first + block])
    return detector.finish()


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """float32 [n]: a second of noise, a sentence, two seconds of noise; 20 ms more than whole frames."""
    rng = Random(3)
    said = speak(Synthesiser(), training_speaker(dialect("american"), rng), "turn on the light now", rng)
    made = np.concatenate([np.zeros(16_000), said, np.zeros(32_000)])
    made = made[: len(made) // VOICE_FRAME * VOICE_FRAME - VOICE_FRAME + 320]
    noise = np.random.default_rng(1).standard_normal(len(made))
    return (made + 0.002 * noise).astype(np.float32)


def frame_by_frame(samples: np.ndarray) -> np.ndarray:
    """Silero's plain model as its own package runs it: 512 samples at a time after 64 of context."""
    found_package = importlib.util.find_spec("silero_vad")
    assert found_package
    folder = next(iter(found_package.submodule_search_locations or ()))
    load()
    import onnxruntime  # only now, with its reports turned off

    session = onnxruntime.InferenceSession(
        str(Path(folder) / "data" / "silero_vad.onnx"), providers=["CPUExecutionProvider"]
    )
    padded = np.concatenate([np.zeros(64), samples, np.zeros(-len(samples) % VOICE_FRAME)]).astype(np.float32)
    state, found = np.zeros((2, 1, 128), np.float32), []
    for first in range(0, len(padded) - 64, VOICE_FRAME):
        given = {
            "input": padded[None, first : first + 64 + VOICE_FRAME],
            "state": state,
            "sr": np.array(16_000),
        }
        likely, state = session.run(None, given)
        found.append(float(likely[0, 0]))
    return np.array(found)


def test_the_voice_is_where_it_is(sound: np.ndarray) -> None:
    likely = heard(sound)
    assert likely.dtype == np.float32
    assert len(likely) == -(-len(sound) // VOICE_FRAME)
    assert likely[10:28].max() < 0.3
    assert np.median(likely[35:60]) > 0.9
    assert likely[-25:].max() < 0.3


def test_the_answer_is_that_of_the_model_run_frame_by_frame(sound: np.ndarray) -> None:
    np.testing.assert_allclose(heard(sound), frame_by_frame(sound), atol=1e-5)


@pytest.mark.parametrize("block", [1, 511, 5_000])
def test_it_does_not_matter_how_the_samples_come(sound: np.ndarray, block: int) -> None:
    samples = sound[:40_000]
    np.testing.assert_allclose(heard(samples, block), heard(samples), atol=1e-5)


def test_nothing_is_heard_in_nothing() -> None:
    assert len(VoiceDetector().finish()) == 0


_LIMITED = """
import os, sys
import numpy as np
from earmark.speech import voice_activity
from earmark.speech.decoder_child import limit
voice_activity.load()
assert len(os.listdir("/proc/self/task")) == 1
limit({memory})
detector = voice_activity.VoiceDetector()
for _ in range(8):
    detector.add(np.zeros(1 << 17, np.float32))
assert len(detector.finish()) == 2048
assert len(os.listdir("/proc/self/task")) == 1
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("memory", [1 << 30, 384 << 20])
def test_it_runs_in_the_decoding_child_alone_and_tells_nobody(memory: int, tmp_path: Path) -> None:
    """Without torch, without another thread, and without the files in which onnxruntime would keep its reports."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(tmp_path)}
    environment.pop("XDG_CACHE_HOME", None)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    program = _LIMITED.format(memory=memory)
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.iterdir()) == []
