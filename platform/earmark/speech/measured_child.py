"""A process that loads one model and hears the same clips whenever it is told: its speed and its memory are its own.

Speaks JSON, a line each way. First it is told what to load, `{"engine": dotted path, "source", "device", "options",
"clips": file, "languages": [...], "batch_seconds"}`, and answers what came of it; then every line makes it hear all
clips once more, and answers how long that took. An answer with `error` is `[error id, message, hint]`.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import length_sorted_batches
from earmark.speech.engine import AUTO, Engine
from earmark.speech.errors import EarmarkError

_STATUS = Path("/proc/self/status")
_KIB = 1024


def write_clips(file: Path, waveforms: list[np.ndarray]) -> None:
    """Keep float32 waveforms [n] for the child to read."""
    lengths = np.array([len(one) for one in waveforms], np.int64)
    np.savez(file, samples=np.concatenate(waveforms).astype(np.float32), lengths=lengths)


def read_clips(file: Path) -> list[np.ndarray]:
    """What `write_clips` kept."""
    with np.load(file, allow_pickle=False) as kept:
        return np.split(kept["samples"], np.cumsum(kept["lengths"])[:-1])


def peak_bytes() -> int:
    """The most memory this process has held so far, bytes; 0 where the system does not tell."""
    for line in _STATUS.read_text().splitlines() if _STATUS.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * _KIB
    return 0


def device_bytes() -> int:
    """The most memory torch has held on an accelerator, bytes; 0 without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return 0
    return int(torch.cuda.max_memory_allocated())


class Hearing:
    """One loaded engine and the clips it hears again and again."""

    def __init__(self, asked: dict[str, Any]) -> None:
        module, _, name = str(asked["engine"]).rpartition(".")
        engine_class = getattr(importlib.import_module(module), name)
        self.bytes_before = peak_bytes()
        began = time.perf_counter()
        self.engine: Engine = engine_class.load(asked["source"], asked["device"], **asked["options"])
        self.load_seconds = time.perf_counter() - began
        self.clips = read_clips(Path(asked["clips"]))
        known = self.engine.abilities.languages
        self.languages = [each if each in known else AUTO for each in asked["languages"]]
        self.batch_seconds = float(asked["batch_seconds"])

    def once(self) -> float:
        """Seconds to hear all clips in batches, as a transcription does."""
        padded = [self.engine.padded_seconds(len(one) / SAMPLE_RATE) for one in self.clips]
        began = time.perf_counter()
        for batch in length_sorted_batches(padded, self.batch_seconds):
            self.engine.hear(
                [self.clips[index] for index in batch], languages=[self.languages[index] for index in batch]
            )
        return time.perf_counter() - began

    def warm(self) -> None:
        """Hear the longest clip, so that what is made on first use is there."""
        longest = max(range(len(self.clips)), key=lambda index: len(self.clips[index]))
        self.engine.hear([self.clips[longest]], languages=[self.languages[longest]])

    def told(self) -> dict[str, Any]:
        return {
            "load_seconds": self.load_seconds,
            "languages": list(self.engine.abilities.languages),
            "bytes_before": self.bytes_before,
        }


def serve(lines: TextIO, answers: TextIO) -> None:
    """Do what `lines` ask for until they end."""

    def answer(told: dict[str, Any]) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    try:
        hearing = Hearing(json.loads(lines.readline()))
        hearing.warm()
        answer(hearing.told())
        for _line in lines:
            seconds = hearing.once()
            answer({"seconds": seconds, "peak_bytes": peak_bytes(), "device_bytes": device_bytes()})
    except EarmarkError as error:
        answer({"error": [error.error_id, error.message, error.hint]})


def main() -> None:
    """Keep the way to the parent apart from what libraries print."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
