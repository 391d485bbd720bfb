"""How fast and how large models are: each in a process of its own, in turn, on the same clips."""

import json
import logging
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from earmark.jobs.registry import Context
from earmark.recognition.engines import known_engine, options_of
from earmark.recognition.models import ModelVersion
from earmark.recognition.transcription import BATCH_SECONDS_ACCELERATOR, BATCH_SECONDS_CPU
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.errors import EarmarkError
from earmark.speech.measured_child import write_clips
from earmark.speech.model_size import model_size
from earmark.speech.remote_address import is_address

log = logging.getLogger(__name__)

PASSES = 3
ENOUGH_SECONDS = 180.0
"""No further pass is begun when all together have taken so long."""
LONGEST_ANSWER_SECONDS = 3600.0
_LOOK_EVERY_SECONDS = 1.0
_LAST_WORDS = 2_000


@dataclass(frozen=True)
class Measured:
    """What one model took. `rtf`: seconds of work for a second of audio, the middle of all passes.

    `peak_bytes`: the most memory of its process, `own_bytes` of that since its engine was imported, `device_bytes` on
    an accelerator. What cannot be known of a remote model is None.
    """

    rtf: float
    passes: int
    load_seconds: float
    languages: list[str]
    peak_bytes: int | None
    own_bytes: int | None
    device_bytes: int | None
    parameters: int | None
    weight_bytes: int | None


def measure(
    models: Sequence[ModelVersion],
    waveforms: Sequence[np.ndarray],
    languages: Sequence[str],
    context: Context,
) -> list[Measured]:
    """Let each of `models` hear all waveforms (float32 [n], 16 kHz) up to PASSES times, taking turns after every pass.

    `languages`: each clip's own, where it is known. Raises what loading raises, and EarmarkError
    `comparison:measuring:gone` when a process ends in the middle.
    """
    seconds = sum(len(one) for one in waveforms) / SAMPLE_RATE
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="earmark-measured-")))
        clips = folder / "clips.npz"
        write_clips(clips, list(waveforms))
        children = [stack.enter_context(_child(model, clips, languages, context)) for model in models]
        answers = _in_turn(children)
    return [
        _measured(model, child.told, told, seconds)
        for model, child, told in zip(models, children, answers, strict=True)
    ]


def _in_turn(children: Sequence["_Child"]) -> list[list[dict[str, Any]]]:
    answers: list[list[dict[str, Any]]] = [[] for _ in children]
    began = time.monotonic()
    for number in range(PASSES):
        if number and time.monotonic() - began > ENOUGH_SECONDS:
            break
        for child, told in zip(children, answers, strict=True):
            told.append(child.ask({"hear": number}))
    return answers


def _measured(
    model: ModelVersion, loaded: dict[str, Any], passes: list[dict[str, Any]], seconds: float
) -> Measured:
    is_here = not is_address(model.source)
    size = _size(model.source) if is_here else None
    peak = max(one["peak_bytes"] for one in passes)
    return Measured(
        rtf=statistics.median(one["seconds"] for one in passes) / seconds,
        passes=len(passes),
        load_seconds=loaded["load_seconds"],
        languages=loaded["languages"],
        peak_bytes=peak if is_here else None,
        own_bytes=max(0, peak - loaded["bytes_before"]) if is_here else None,
        device_bytes=(max(one["device_bytes"] for one in passes) or None) if is_here else None,
        parameters=size and size[0],
        weight_bytes=size and size[1],
    )


def _size(source: str) -> tuple[int, int] | None:
    """Parameters and bytes; None for an engine whose models are no folders of safetensors."""
    from earmark.speech.model_folder import find_folder  # brings torch, which only this worker needs

    try:
        found = model_size(find_folder(source))
    except EarmarkError as error:
        log.info("the size of %s is not known: %s", source, error)
        return None
    return found.parameters, found.bytes


class _Child:
    """A running child and what it said of loading."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str, errors: Path, context: Context) -> None:
        self._process, self._name, self._errors, self._context = process, name, errors, context
        self._read = b""
        self.told: dict[str, Any] = {}

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to `asked`. Stops waiting when the job is to stop."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error
        answer: dict[str, Any] = json.loads(self._line())
        if "error" in answer:
            error_id, message, hint = answer["error"]
            raise EarmarkError(error_id, f"{self._name} cannot be measured. {message}", hint)
        return answer

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        until = time.monotonic() + LONGEST_ANSWER_SECONDS
        while b"\n" not in self._read:
            self._context.check()
            if time.monotonic() > until:
                raise self._gone()
            ready, _, _ = select.select([self._process.stdout], [], [], _LOOK_EVERY_SECONDS)
            if ready:
                more = os.read(self._process.stdout.fileno(), 1 << 16)
                if not more:
                    raise self._gone()
                self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _gone(self) -> EarmarkError:
        said = self._errors.read_bytes()[-_LAST_WORDS:].decode(errors="replace").strip().splitlines()
        return EarmarkError(
            "comparison:measuring:gone",
            f"The process that measures {self._name} has ended or does not answer: {(said or ['it said nothing'])[-1]}",
            "See whether this machine has memory for both models; the worker's log may say more.",
        )


@contextmanager
def _child(model: ModelVersion, clips: Path, languages: Sequence[str], context: Context) -> Iterator[_Child]:
    """A process with `model` loaded and warm; gone at the end, or with this one, as its input then ends."""
    device = settings.EARMARK.device
    errors = clips.with_name(f"{model.pk}.log")
    with (
        errors.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "earmark.speech.measured_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        try:
            child = _Child(process, model.name, errors, context)
            child.told = child.ask(
                {
                    "engine": settings.ENGINES[known_engine(model.engine)],
                    "source": model.source,
                    "device": device,
                    "options": options_of(model.engine),
                    "clips": str(clips),
                    "languages": list(languages),
                    "batch_seconds": BATCH_SECONDS_CPU
                    if device.startswith("cpu")
                    else BATCH_SECONDS_ACCELERATOR,
                }
            )
            yield child
        finally:
            process.kill()
