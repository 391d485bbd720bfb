"""Write the job folder: a training's snapshot as manifests and audio, so that the trainer needs nothing else."""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from earmark.corpus.models import Clip, Split
from earmark.corpus.samples import samples_of
from earmark.datasets.models import SnapshotItem
from earmark.jobs.registry import Context
from earmark.speech.audio import write_flac
from training_jobs import disk_space
from training_jobs.models import TrainingJob
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.prepare import write_job


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
    items = list(training.snapshot.items.select_related("clip").order_by("id"))
    _refuse_full_disk(folder, sum(item.clip.seconds for item in items))
    audio = folder / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    _write_audio([item.clip for item in items], audio, context)
    write_job(
        folder,
        base_model=training.base.source,
        labelled=_entries(item for item in items if item.split == Split.TRAIN and item.text),
        unlabelled=_entries(item for item in items if item.split == Split.TRAIN and item.text is None),
        dev=_entries(item for item in items if item.split == Split.DEV and item.text),
        recipe=training.recipe,
        seed=training.seed,
        overrides=training.overrides,
        device=settings.EARMARK.device.partition(":")[0],
        **training.resources,
    )
    return folder


def _refuse_full_disk(folder: Path, seconds: float) -> None:
    """Raise EarmarkError `training:disk:no-space` where the audio alone would fill the disk."""
    needed = disk_space.needed_bytes(seconds=seconds, weights=0, optimiser=0)
    if disk_space.free_bytes(folder) < needed + settings.EARMARK.keep_free_bytes:
        raise disk_space.no_space(folder, needed)


def _write_audio(clips: list[Clip], audio: Path, context: Context) -> None:
    there = {path.stem for path in audio.glob("*.flac")}
    missing = [clip for clip in clips if str(clip.pk) not in there]
    for done, (clip_id, samples) in enumerate(samples_of(missing)):
        part = audio / f"{clip_id}.part"
        part.write_bytes(write_flac(samples))
        part.rename(audio / f"{clip_id}.flac")
        if done % 50 == 0:
            context.progress(done, len(missing), "writing audio")


def _entries(items: Iterable[SnapshotItem]) -> list[ClipEntry]:
    return [
        ClipEntry(
            id=str(item.clip_id),
            audio=f"audio/{item.clip_id}.flac",
            seconds=item.clip.seconds,
            text=item.text or "",
            language=item.clip.language,
            dialect=item.clip.dialect,
        )
        for item in items
    ]
