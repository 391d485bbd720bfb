"""What the platform calls: write a job folder, ask what a run will do, read what it has done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.speech.calibration_fit import FEWEST
from earmark.speech.errors import EarmarkError
from training_jobs.recipe.job_folder import Job, JobFolder, checked_job, read_job, write_job_toml
from training_jobs.recipe.manifest import ClipEntry, read_manifest, write_manifest
from training_jobs.recipe.metrics import Metric
from training_jobs.recipe.metrics import read_metrics as read_metrics_file
from training_jobs.recipe.presets import preset
from training_jobs.recipe.recipes import with_overrides
from training_jobs.recipe.schedules import Plan, make_plan


@dataclass(frozen=True, kw_only=True)
class JobData:
    """A checked job folder in memory."""

    folder: JobFolder
    job: Job
    labelled: Sequence[ClipEntry]
    unlabelled: Sequence[ClipEntry]
    dev: Sequence[ClipEntry]

    @property
    def plan(self) -> Plan:
        return make_plan(self.job.recipe, labelled=len(self.labelled), unlabelled=len(self.unlabelled))


def write_job(
    folder: Path,
    *,
    base_model: str,
    labelled: Sequence[ClipEntry],
    unlabelled: Sequence[ClipEntry],
    dev: Sequence[ClipEntry],
    recipe: str,
    seed: int,
    overrides: Mapping[str, Any] | None = None,
    **machine: Any,
) -> Plan:
    """Write job.toml and the manifests into `folder` (made where missing); returns what the run will do.

    `recipe` names a preset, `overrides` replaces values of it, `machine` sets `device`, `precision`,
    `threads`, `checkpoint_seconds`, `audio_cache_mb` or `hearing_batch_seconds`. Audio is not copied: entries
    name files by absolute path, or the caller puts them under `folder/audio`. Raises EarmarkError as
    `read_job_folder` does, before anything is written where options are wrong.
    """
    chosen = with_overrides(preset(recipe), dict(overrides or {}))
    job = checked_job(recipe_name=recipe, recipe=chosen, base_model=base_model, seed=seed, **machine)
    folder.mkdir(parents=True, exist_ok=True)
    paths = JobFolder(folder)
    write_manifest(paths.labelled, labelled)
    write_manifest(paths.unlabelled, unlabelled)
    write_manifest(paths.dev, dev)
    write_job_toml(paths.job, job)
    return read_job_folder(folder).plan


def read_job_folder(folder: Path) -> JobData:
    """Read and check everything but the audio.

    Raises EarmarkError `training:data:unlabelled-only` without labelled clips, `training:data:leak` where a
    dev clip is also trained on, `training:data:dev-too-few` where a recipe calibrates on dev, and those of `read_job`
    and `read_manifest`.
    """
    paths = JobFolder(folder)
    data = JobData(
        folder=paths,
        job=read_job(paths.job),
        labelled=read_manifest(paths.labelled, with_text=True),
        unlabelled=read_manifest(paths.unlabelled, with_text=False),
        dev=read_manifest(paths.dev, with_text=True),
    )
    if not data.labelled:
        raise EarmarkError(
            "training:data:unlabelled-only",
            f"{paths.labelled} holds no clip.",
            "Label some clips of this collection, then train.",
        )
    if data.unlabelled and data.job.recipe.pseudo_score == "calibrated" and len(data.dev) < FEWEST:
        raise EarmarkError(
            "training:data:dev-too-few",
            f"There are {len(data.dev)} dev clips; the teacher's doubts are weighed by {FEWEST} or more.",
            "Have more clips of dev speakers labelled, or choose a recipe with pseudo_score mean or sequence.",
        )
    for one, other in (("labelled", "unlabelled"), ("labelled", "dev"), ("unlabelled", "dev")):
        shared = {e.id for e in getattr(data, one)} & {e.id for e in getattr(data, other)}
        if shared:
            raise EarmarkError(
                "training:data:leak",
                f"{len(shared)} clips are both {one} and {other}, among them {min(shared)!r}.",
                "Give each clip to one manifest.",
            )
    return data


def plan(folder: Path) -> Plan:
    """The epochs and total steps of the run that `folder` describes. Raises as `read_job_folder` does."""
    return read_job_folder(folder).plan


def read_metrics(folder: Path, after_offset: int = 0) -> tuple[list[Metric], int]:
    """New lines of the job's metrics with their byte positions, and the offset to ask from next."""
    return read_metrics_file(JobFolder(folder).metrics, after_offset)
