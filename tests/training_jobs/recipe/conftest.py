"""A job folder small enough for a test: a model of one layer that has learned to say one word, and a few clips."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from earmark.speech.examples import training_batch
from earmark.speech.model_folder import save_model
from earmark.speech.tiny_model import untrained_tiny_model
from training_jobs.recipe.job_folder import JobFolder
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.prepare import write_job
from training_jobs.recipe.schedules import Plan

RATE = 16_000
WORD = "four"


def sound(seconds: float, pitch: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


@pytest.fixture(autouse=True)
def everybody_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tones stand for speech here: the voice detector knows better."""
    for module in ("earmark.speech.confidence", "training_jobs.recipe.pseudo_labels"):
        monkeypatch.setattr(f"{module}.voice_in", lambda _waveform, *, enough: enough)


@pytest.fixture(scope="session")
def one_word_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that hears WORD in everything, and says so with an end token."""
    torch.set_num_threads(1)
    loaded = untrained_tiny_model("four 四", seed=3, hidden=32, layers=1)
    loaded = replace(loaded, manifest=replace(loaded.manifest, max_new_tokens_per_second=6.0))
    batch = training_batch(loaded, [sound(0.6, 300.0), sound(0.7, 500.0)], [WORD, WORD])
    optimiser = torch.optim.AdamW(loaded.model.parameters(), lr=2e-2)
    loaded.model.train()
    for _ in range(40):
        loss = loaded.model(**batch).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    folder = tmp_path_factory.mktemp("models") / "one-word"
    save_model(replace(loaded, model=loaded.model.eval()), folder)
    return folder


@pytest.fixture
def make_job(one_word_model: Path) -> Callable[..., Plan]:
    """Write a job folder with its audio: 7 labelled clips, 10 unlabelled, 3 dev; 4 epochs of 3 steps."""

    def make(folder: Path, **changes: Any) -> Plan:
        (folder / "audio").mkdir(parents=True)
        overrides = {
            "learning_rate": 1e-3, "batch_size": 4, "micro_batch_size": 3, "warm_up_epochs": 1, "mixed_epochs": 3,
            "epoch_steps": 3, "patience": 0, "pseudo_threshold": 0.0, "relabel_epochs": 2, "guard_ratio": 0.0,
            "teacher_decay": 0.9,
        } | changes.pop("overrides", {})  # fmt: skip
        values = {
            "base_model": str(one_word_model),
            "labelled": clips(folder, "labelled", 7, "four ou"),
            "unlabelled": clips(folder, "unlabelled", 10),
            "dev": clips(folder, "dev", 3, "four"),
            "recipe": "article",
            "seed": 5,
            "threads": 1,
            "checkpoint_seconds": 0,
            "hearing_batch_seconds": 2.0,
        }
        return write_job(folder, overrides=overrides, **(values | changes))

    return make


def clips(folder: Path, name: str, count: int, text: str = "") -> list[ClipEntry]:
    """Tones of 0.5 to 1 s written as FLAC below `folder`."""
    entries = []
    for i in range(count):
        seconds = 0.5 + 0.5 * i / count
        soundfile.write(folder / "audio" / f"{name}{i}.flac", sound(seconds, 200 + 40 * i), RATE)
        entries.append(
            ClipEntry(
                id=f"{name}{i}", audio=f"audio/{name}{i}.flac", seconds=seconds, text=text, language="en"
            )
        )
    return entries


def weight_bytes(folder: Path) -> bytes:
    """The trained weights of a finished job, byte by byte."""
    return (JobFolder(folder).model / "model.safetensors").read_bytes()
