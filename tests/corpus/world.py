"""What the tests of this floor stand on: a collection, a folder, an import run to its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.corpus.ingest import run_ingest, submit_ingest
from earmark.corpus.models import Clip, Collection, Import, ImportFile, Recording, Split


@dataclass
class Context:
    """A running job's context that remembers what it was told, and may be made to stop."""

    job_id: int = 1
    attempt: int = 1
    told: list[tuple[float, float, str]] = field(default_factory=list)
    stop_after: int | None = None

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.told.append((done, total, note))
        self.check()

    def check(self) -> None:
        if self.stop_after is not None and len(self.told) >= self.stop_after:
            raise StoppedError


class StoppedError(Exception):
    """The context was asked to stop."""


def collection(slug: str = "voices") -> Collection:
    return Collection.objects.create(slug=slug, name=slug.title())


def bring_in(
    into: Collection, folder: Path, manifest: Path | None = None, **options: str
) -> tuple[Import, dict[str, Any]]:
    """Ingest `folder` here and now."""
    made, _ = submit_ingest(collection=into, source=folder, manifest=manifest, **options)
    return made, run_ingest(Context(), import_id=made.pk)


def outcome_of(made: Import) -> dict[str, tuple[str, str]]:
    """(outcome, error id) by path."""
    return {row.path: (row.outcome, row.error_id) for row in made.files.all()}


def recording(
    into: Collection, *, sha256: str = "a" * 64, seconds: float = 2.0, file: str = "recordings/aa/a.wav"
) -> Recording:
    return Recording.objects.create(
        collection=into,
        sha256=sha256,
        name="one.wav",
        file=file,
        bytes=64_044,
        seconds=seconds,
        rate=16_000,
        channels=1,
        format="WAV PCM_16",
    )


def clip(into: Collection, **fields: Any) -> Clip:
    of = fields.pop("recording", None) or recording(into)
    return Clip.objects.create(
        **{
            "collection": into,
            "recording": of,
            "start": 0.0,
            "seconds": of.seconds,
            "split": Split.TRAIN,
            **fields,
        }
    )


@contextmanager
def unchanged() -> Iterator[None]:
    """Nothing is added to what was brought in."""
    before = counts()
    yield
    assert counts() == before


def counts() -> tuple[int, int, int]:
    return Recording.objects.count(), Clip.objects.count(), ImportFile.objects.count()
