"""Short demo speech with its texts, and job folders of it: what the trainer's benchmarks train on."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import soundfile

from benchmarks.reporting import ROOT
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.demo_phrases import phrase
from earmark.speech.demo_voices import dialect, speak, training_speaker
from earmark.speech.synthesis import Synthesiser
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.prepare import write_job

MODEL = ROOT / "models" / "glm-asr-tiny"


def dialect_clips(name: str, count: int, *, seed: int) -> list[tuple[np.ndarray, str]]:
    """Float32 samples at 16 kHz and the text of `count` phrases of a dialect, each by somebody new."""
    rng, synthesiser, spoken = Random(f"{seed}:{name}"), Synthesiser(), dialect(name)
    found = []
    for _ in range(count):
        drawn = phrase(name, rng)
        samples = speak(synthesiser, training_speaker(spoken, rng), drawn.say, rng)
        found.append((samples.astype(np.float32), drawn.reference))
    return found


def write_dialect_job(
    folder: Path, sizes: Mapping[str, int], *, seed: int, overrides: Mapping[str, Any], **machine: Any
) -> None:
    """A job folder with so many Scottish clips in `labelled`, `unlabelled` and `dev`, from the demo model."""
    (folder / "audio").mkdir(parents=True)
    clips = iter(dialect_clips("scottish", sum(sizes.values()), seed=seed))
    entries: dict[str, list[ClipEntry]] = {name: [] for name in ("labelled", "unlabelled", "dev")}
    for name, count in sizes.items():
        for number in range(count):
            samples, text = next(clips)
            path = folder / "audio" / f"{name}{number}.flac"
            soundfile.write(path, samples, SAMPLE_RATE)
            entry = ClipEntry(
                id=path.stem,
                audio=f"audio/{path.name}",
                seconds=len(samples) / SAMPLE_RATE,
                text="" if name == "unlabelled" else text,
                language="en",
            )
            entries[name].append(entry)
    write_job(
        folder, base_model=str(MODEL), recipe="article", seed=seed, overrides=overrides, **entries, **machine
    )
