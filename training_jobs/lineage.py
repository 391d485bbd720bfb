"""Where a trained model comes from: what `earmark.json` and the registry say of it."""

import platform
from importlib.metadata import version
from typing import Any

from training_jobs.models import TrainingJob
from training_jobs.recipe.job_folder import JobFolder, read_job
from training_jobs.recipe.prepare import read_metrics
from training_jobs.recipe.recipes import as_table

FINAL = "final"
PLACE = frozenset({"stage", "epoch", "step", "steps_total"})
COUNTED = ("clips", "seconds", "labelled_clips", "labelled_seconds")


def lineage_of(training: TrainingJob, folder: JobFolder) -> dict[str, Any]:
    """All that made the model of `training`, from its row and its job folder; plain values, the same each time.

    `options` is the whole recipe as it was run, `settings` what was changed of it, `metrics` the trainer's last word
    on the dev clips. Raises EarmarkError as `read_job` does.
    """
    job = read_job(folder.job)
    return {
        "collection": training.collection.slug,
        "parent": training.base.name,
        "parent_content": training.base.lineage.get("content", ""),
        "snapshot": training.snapshot.digest,
        "data": {
            name: training.snapshot.counts[name] for name in COUNTED if name in training.snapshot.counts
        },
        "recipe": training.recipe,
        "options": as_table(job.recipe),
        "settings": training.overrides,
        "seed": training.seed,
        "precision": job.precision,
        "processes": training.processes,
        "versions": {
            **{name: version(name) for name in ("earmark", "torch", "transformers")},
            "python": platform.python_version(),
        },
        "metrics": final_metrics(folder),
        "training_job": training.pk,
        "launched_at": training.created_at.isoformat(timespec="seconds"),
    }


def final_metrics(folder: JobFolder) -> dict[str, Any]:
    """What the trainer reported at its end, with the step it had reached; empty where it did not."""
    lines, _offset = read_metrics(folder.root)
    last = next((line.values for line in reversed(lines) if line.values.get("stage") == FINAL), None)
    if last is None:
        return {}
    told = {name: value for name, value in last.items() if name not in PLACE and value is not None}
    return {"steps": last["step"], **told}
