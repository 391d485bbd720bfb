"""The processes that share a run's work, one on each device: torchrun starts them, gradients are summed between them.

A step's batch is the recipe's however many there are: process r of n takes its clips r, r + n, ... Gradients are summed
over what each has done, not averaged, so nothing depends on how clips were shared out, and a process without a clip of
some kind does not hold up the others. That is once a step, behind the last micro-batch.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from earmark.speech.errors import EarmarkError

_Item = TypeVar("_Item")

_PR_SET_PDEATHSIG = 1
_BUCKET = 32 * 2**20
"""Numbers that are sent together."""
_PATIENCE = timedelta(hours=6)
"""How long the others wait while one writes a checkpoint or listens to dev clips."""


@dataclass(frozen=True)
class Processes:
    """This process, number `rank` of `count`, as one of those that share a run."""

    rank: int = 0
    count: int = 1
    device: torch.device | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def share(self, items: Sequence[_Item]) -> list[_Item]:
        """This process's part of `items`."""
        return list(items[self.rank :: self.count])

    def total(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all processes."""
        if self.count == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        found: list[float] = sums.tolist()
        return found

    def told(self, values: Sequence[float]) -> list[float]:
        """The values that the first process has."""
        return self.total(values if self.is_first else [0.0] * len(values))

    def any(self, said: bool) -> bool:
        """Whether any process says so."""
        return self.total([float(said)])[0] > 0

    def sum_vector(self, vector: torch.Tensor) -> torch.Tensor:
        """The sum of a vector over all processes, in place."""
        if self.count > 1:
            moved = vector.to(self.device)
            distributed.all_reduce(moved)
            vector.copy_(moved)
        return vector

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Make every gradient its sum over all processes; one that a process lacks counts as zeros."""
        if self.count == 1:
            return
        for bucket in _buckets([one for one in parameters if one.requires_grad]):
            for one in bucket:
                one.grad = torch.zeros_like(one) if one.grad is None else one.grad
            flat = torch.cat([one.grad.reshape(-1) for one in bucket if one.grad is not None])
            distributed.all_reduce(flat)
            pieces = flat.split([one.numel() for one in bucket])
            for one, piece in zip(bucket, pieces, strict=True):
                one.grad = piece.view_as(one)

    def wait(self) -> None:
        """Until all are here."""
        self.any(False)


def _buckets(parameters: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    bucket: list[torch.nn.Parameter] = []
    for one in parameters:
        if bucket and sum(p.numel() for p in bucket) + one.numel() > _BUCKET:
            yield bucket
            bucket = []
        bucket.append(one)
    if bucket:
        yield bucket


@contextmanager
def sharing(*, device: str, processes: int) -> Iterator[Processes]:
    """The processes that torchrun started with this one; only itself without torchrun.

    `processes` is how many the job wants on a host. Raises EarmarkError `training:launch:processes` where there are
    others, `training:device:unavailable` where there is no such device, `training:processes:lost` where one is gone.
    """
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if local != processes:
        raise EarmarkError(
            "training:launch:processes",
            f"The job is to run as {processes} processes on a host and was started as {local}.",
            f"Start it with torchrun --nproc-per-node={processes}, or set processes = {local} in job.toml.",
        )
    place = _device(device)
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(device=place)
        return
    end_with_parent()
    distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(distributed.get_rank(), count, place)
    except distributed.DistError as error:
        raise _lost(error) from error
    except RuntimeError as error:
        if "gloo" not in str(error).lower():
            raise
        raise _lost(error) from error
    finally:
        distributed.destroy_process_group()


def end_with_parent() -> None:
    """Be killed when the process that started this one is gone (Linux).

    torchrun gives each of its processes a session of its own: killed itself, it would leave them training.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _lost(error: Exception) -> EarmarkError:
    return EarmarkError(
        "training:processes:lost",
        f"A process that shares this run is gone: {error}.",
        "Read what it said last, then launch the training again: it goes on from its checkpoint.",
    )


def _device(device: str) -> torch.device:
    if device != "cuda":
        return torch.device(device)
    number = int(os.environ.get("LOCAL_RANK", "0"))
    found = torch.cuda.device_count()
    if number >= found:
        raise EarmarkError(
            "training:device:unavailable",
            f"The job asks for {number + 1} GPUs on this machine, which has {found}.",
            "Set device to cpu, or processes to the number of GPUs.",
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)
