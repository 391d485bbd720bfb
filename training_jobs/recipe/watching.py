"""What a run takes: how fast it is, how much memory, how much of its time it spends on checkpoints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.job_folder import Job
from training_jobs.recipe.run import Run
from training_jobs.recipe.steps import Learner

_SAVING_SHARE = 0.1
"""Most of a run's time that goes into checkpoints, whatever the job asks for, unless it asks for every step."""


class Saving:
    """Saves a run every `checkpoint_seconds`, less often where saving takes long; 0: after every step."""

    def __init__(self, run: Run) -> None:
        self._run, self._wait = run, run.job.checkpoint_seconds
        self._saved = time.monotonic()

    def save_if_due(self) -> None:
        """Write a checkpoint if it is time."""
        began = time.monotonic()
        if began - self._saved < self._wait:
            return
        self._run.save()
        self._saved = time.monotonic()
        asked = self._run.job.checkpoint_seconds
        self._wait = max(asked, (self._saved - began) / _SAVING_SHARE) if asked else 0.0


def speed(learner: Learner, clips: int, seconds: float) -> dict[str, float]:
    """Clips a second of one step and, on a GPU, the most bytes that were taken there so far."""
    found: dict[str, float] = {"samples_per_second": clips / max(seconds, 1e-9)}
    if learner.student.device.type == "cuda":
        found["gpu_bytes"] = torch.cuda.max_memory_allocated(learner.student.device)
    return found


@contextmanager
def memory_explained(job: Job) -> Iterator[None]:
    """Raises EarmarkError `training:memory:exhausted` where what runs inside finds no room, saying what to change."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _exhausted(job, error) from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise _exhausted(job, error) from error


def _exhausted(job: Job, error: Exception) -> EarmarkError:
    recipe, adaptation = job.recipe, job.recipe.adaptation
    wishes = []
    if recipe.micro_batch_size > 1:
        wishes.append(f"lower micro_batch_size, now {recipe.micro_batch_size}: the result stays the same")
    if not adaptation.gradient_checkpointing:
        wishes.append("set adaptation.gradient_checkpointing to true: slower, the same result")
    if adaptation.method == "full":
        wishes.append("set adaptation.method to lora")
    if job.precision == "float32" and job.device == "cuda":
        wishes.append("set precision to bfloat16")
    wishes.append(f"lower hearing_batch_seconds, now {job.hearing_batch_seconds:g}")
    reason = str(error).splitlines()[0] if str(error) else "no more was given"
    return EarmarkError(
        "training:memory:exhausted",
        f"The run does not fit in the memory of {job.device}: {reason}.",
        f"One of these: {'; '.join(wishes)}. It goes on from its checkpoint.",
    )
