"""A small corpus made row by row: the audio of clip k holds the level k, so that one can tell who heard what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.utils import timezone

from earmark.corpus.models import Clip, Collection, Recording, Reference, Speaker, Split
from earmark.jobs.models import ELSEWHERE, Job, Status
from earmark.jobs.running import Cancelled
from earmark.recognition.models import ModelVersion
from earmark.recognition.run_models import Priority, TranscriptionRun, TranscriptionShard
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.engine import Heard
from earmark.speech.stub import StubEngine, heard

LEVELS = 1_000
_numbers = count(1)


def waveform(level: int, seconds: float) -> np.ndarray:
    """float32 [n] at 16 kHz, every sample `level` thousandths."""
    return np.full(round(seconds * SAMPLE_RATE), level / LEVELS, dtype=np.float32)


def level_of(samples: np.ndarray) -> int:
    return round(float(samples.mean()) * LEVELS)


def make_collection(slug: str = "") -> Collection:
    slug = slug or f"collection-{next(_numbers)}"
    return Collection.objects.create(slug=slug, name=slug)


def make_model(name: str = "") -> ModelVersion:
    return ModelVersion.objects.create(name=name or f"model-{next(_numbers)}", source="nowhere")


def make_speaker(collection: Collection, name: str = "ada", split: str = Split.TRAIN) -> Speaker:
    speaker, _ = Speaker.objects.get_or_create(collection=collection, name=name, defaults={"split": split})
    return speaker


def make_recording(
    collection: Collection, level: int, *, seconds: float = 0.5, speaker: Speaker
) -> Recording:
    data = write_flac(waveform(level, seconds))
    digest = sha256(data).hexdigest()
    row = Recording(
        collection=collection,
        sha256=digest,
        name=f"{level}.flac",
        bytes=len(data),
        seconds=seconds,
        rate=SAMPLE_RATE,
        channels=1,
        format="flac",
        speaker=speaker,
        language="en",
        licence="CC0",
    )
    row.file.save(f"recordings/{digest}.flac", ContentFile(data))
    return row


def make_clip(
    collection: Collection,
    level: int,
    *,
    seconds: float = 0.5,
    speaker: str = "ada",
    split: str = Split.TRAIN,
    state: str = Clip.State.NEW,
    text: str | None = None,
    dialect: str = "scottish",
) -> Clip:
    """A clip that is a recording of its own, with a current reference when `text` is given."""
    voice = make_speaker(collection, speaker, split)
    recording = make_recording(collection, level, seconds=seconds, speaker=voice)
    clip = Clip.objects.create(
        collection=collection,
        recording=recording,
        speaker=voice,
        start=0.0,
        seconds=seconds,
        language="en",
        dialect=dialect,
        split=split,
        state=state,
    )
    if text is not None:
        Reference.objects.create(clip=clip, version=1, text=text, kind=Reference.Kind.IMPORTED)
    return clip


def make_run(collection: Collection, model: ModelVersion, **fields: Any) -> TranscriptionRun:
    """A run half done: one part heard, with a failure, one waiting."""
    asked = {"collection_id": collection.pk, "model_id": model.pk, "only": "pool"}
    job = Job.objects.create(
        kind="recognition.transcribe", queue="cpu", scope=collection.scope, arguments=asked, status=Status.RUNNING,
        worker=ELSEWHERE, lease_until=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
    run = TranscriptionRun.objects.create(
        collection=collection,
        model=model,
        only="pool",
        queue="gpu",
        job=job,
        planned_at=timezone.now(),
        **fields,
    )
    for status, heard_clips in (
        (TranscriptionShard.Status.DONE, 40),
        (TranscriptionShard.Status.RUNNING, 10),
    ):
        TranscriptionShard.objects.create(
            run=run, queue="gpu", priority=Priority.NEW, first_clip=1, last_clip=50, clip_ids=[1], clips=42,
            seconds=120.0, status=status, heard=heard_clips, seconds_done=2.4 * heard_clips,
            busy_seconds=heard_clips / 10, failures={"corpus:audio:unreadable": 2},
        )  # fmt: skip
    return run


@dataclass
class Progress:
    """A job's context without a job: keeps what was reported, and is cancelled at report number `cancel_at`."""

    cancel_at: int | None = None
    reports: list[tuple[float, float, str]] = field(default_factory=list)
    job_id: int = 0
    attempt: int = 1

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.reports.append((done, total, note))
        self.check()

    def check(self) -> None:
        if self.cancel_at is not None and len(self.reports) >= self.cancel_at:
            raise Cancelled


class Listener(StubEngine):
    """An engine that writes the level it hears, and remembers every call."""

    def __init__(self, answer: Callable[[np.ndarray], Heard] | None = None) -> None:
        super().__init__(answer or (lambda samples: heard(f"level {level_of(samples)}")))
        self.calls: list[list[int]] = []

    def hear(self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None) -> list[Heard]:
        self.calls.append([level_of(samples) for samples in waveforms])
        return super().hear(waveforms, languages=languages)

    @property
    def levels(self) -> list[int]:
        return [level for call in self.calls for level in call]
