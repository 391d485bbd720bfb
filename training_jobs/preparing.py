"""Write the job folder: a training's snapshot as manifests and audio, so that the trainer needs nothing else."""

from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet

from earmark.corpus.models import Split
from earmark.corpus.samples import samples_of
from earmark.datasets.models import SnapshotItem
from earmark.jobs.registry import Context
from earmark.speech.audio import write_flac
from training_jobs import disk_space
from training_jobs.models import TrainingJob
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.prepare import write_job

AT_ONCE = 1000
"""Rows of a snapshot that are held at a time: it may have millions."""


def folder_of(training: TrainingJob) -> Path:
    """Where the job folder of `training` lies; every host that trains must see it."""
    return settings.EARMARK.var / "training" / str(training.pk)


def prepare(training: TrainingJob, context: Context) -> Path:
    """Write what is missing of the job folder; `job.toml` comes last, so its presence says the folder is whole.

    Raises EarmarkError `corpus:audio:*` where audio is gone or broken, `training:disk:no-space`, `training:data:*`.
    """
    folder = folder_of(training)
    if (folder / "job.toml").exists():
        return folder
    items = training.snapshot.items.order_by("id")
    train, labelled = items.filter(split=Split.TRAIN), Q(text__isnull=False) & ~Q(text="")
    audio = folder / "audio"
    there = {int(path.stem) for path in audio.glob("*.flac")} if audio.is_dir() else set()
    _refuse_full_disk(folder, items, there)
    audio.mkdir(parents=True, exist_ok=True)
    _write_audio(items, audio, there, context)
    write_job(
        folder,
        base_model=training.base.source,
        labelled=_entries(train.filter(labelled)),
        unlabelled=_entries(train.filter(text=None)),
        dev=_entries(items.filter(labelled, split=Split.DEV)),
        recipe=training.recipe,
        seed=training.seed,
        overrides=training.overrides,
        device=settings.EARMARK.device.partition(":")[0],
        **training.resources,
    )
    return folder


def _refuse_full_disk(folder: Path, items: "QuerySet[SnapshotItem]", there: set[int]) -> None:
    """Raise EarmarkError `training:disk:no-space` where the audio alone that is not `there` would fill the disk."""
    lengths = items.values_list("clip_id", "clip__seconds").iterator(chunk_size=AT_ONCE)
    seconds = sum(length for clip, length in lengths if clip not in there)
    needed = disk_space.needed_bytes(seconds=seconds, weights=0, optimiser=0)
    if disk_space.free_bytes(folder) < needed + settings.EARMARK.keep_free_bytes:
        raise disk_space.no_space(folder, needed)


def _write_audio(items: "QuerySet[SnapshotItem]", audio: Path, there: set[int], context: Context) -> None:
    """Write the audio that is not `there` yet; a few clips at a time are held."""
    total = items.count()
    rows = items.select_related("clip").iterator(chunk_size=AT_ONCE)
    missing = (item.clip for item in rows if item.clip_id not in there)
    for done, (clip_id, samples) in enumerate(samples_of(missing), start=len(there)):
        part = audio / f"{clip_id}.part"
        part.write_bytes(write_flac(samples))
        part.rename(audio / f"{clip_id}.flac")
        if done % 50 == 0:
            context.progress(done, total, "writing audio")


def _entries(items: "QuerySet[SnapshotItem]") -> list[ClipEntry]:
    rows = items.values_list("clip_id", "text", "clip__seconds", "clip__language", "clip__dialect")
    return [
        ClipEntry(
            id=str(clip),
            audio=f"audio/{clip}.flac",
            seconds=seconds,
            text=text or "",
            language=language,
            dialect=dialect,
        )
        for clip, text, seconds, language, dialect in rows.iterator(chunk_size=AT_ONCE)
    ]
