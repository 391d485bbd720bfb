"""A training killed (SIGKILL) at random moments and taken up again each time, against one that was left alone."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.dialect_clips import write_dialect_job
from benchmarks.reporting import Report, arguments, publish
from training_jobs.recipe.job_folder import JobFolder
from training_jobs.recipe.prepare import read_metrics

SEED = 11
_LOG = "stderr.log"
SIZES = {"labelled": 32, "unlabelled": 64, "dev": 12}
OVERRIDES = {
    "learning_rate": 3e-4, "batch_size": 8, "micro_batch_size": 8, "warm_up_epochs": 2, "mixed_epochs": 6,
    "epoch_steps": 12, "patience": 0, "relabel_epochs": 1, "pseudo_threshold": 0.5, "teacher_decay": 0.98,
    "guard_ratio": 4.0, "replay_share": 0.125,
}  # fmt: skip

PAGE = """
A training as the platform runs it, as a child process on a job folder: the demo model on {labelled} labelled and
{unlabelled} unlabelled clips in eight epochs with warm-up, replay, pseudo-labels made anew for every mixed epoch, the
gradient guard, a dev evaluation after every epoch, and the aligner fitted at the end. One run is left alone. The other
is ended with SIGKILL at {kills} moments drawn at random over the time that the first took, and started again each
time; checkpoints are written every half second. Then the weights, the aligner and the losses of every step are
compared byte by byte.

The moments fell into: {stages}. A kill costs at most the steps since the last checkpoint, and never a result:
everything random is drawn from the seed and the place in the run, and a checkpoint counts only once it is complete.
"""


def main() -> None:
    """Run both and compare."""
    options = arguments(__doc__ or "")
    kills = 4 if options.quick else 20
    with tempfile.TemporaryDirectory() as root:
        alone, killed = Path(root) / "alone", Path(root) / "killed"
        write_dialect_job(alone, SIZES, seed=SEED, overrides=OVERRIDES, threads=1, checkpoint_seconds=0.5)
        shutil.copytree(alone, killed)
        process = _start(alone)
        _wait_for_line(alone, process, 0)
        began = time.monotonic()
        _check(process.wait(), {0}, alone)
        seconds = time.monotonic() - began
        stages = _kill_often(killed, kills, seconds)
        equal = _outcome(alone) == _outcome(killed)
        same_losses = _losses(alone) == _losses(killed)
    told = ", ".join(f"{stage} {count}" for stage, count in sorted(stages.items()))
    figures = {
        "kills": sum(stages.values()),
        "bit_equal": int(equal),
        "losses_equal": int(same_losses),
        "seconds_uninterrupted": seconds,
        "killed_in": dict(stages),
    }
    page = PAGE.format(kills=sum(stages.values()), stages=told, **SIZES)
    publish(Report("killed_trainings", figures, seeds=[SEED], page=page), quick=options.quick)
    if not (equal and same_losses):
        sys.exit(1)


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / _LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "training_jobs.recipe", str(folder)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=log,
        )


def _kill_often(folder: Path, kills: int, seconds: float) -> Counter[str]:
    """Kill and start again; returns the stages in which the moments fell."""
    rng = random.Random(SEED)
    stages: Counter[str] = Counter()
    while True:
        process = _start(folder)
        if sum(stages.values()) == kills:
            _check(process.wait(), {0}, folder)
            return stages
        _wait_for_line(folder, process, len(read_metrics(folder)[0]))
        time.sleep(rng.uniform(0, 1.8 * seconds / (kills + 1)))
        process.send_signal(signal.SIGKILL)
        if _check(process.wait(), {0, -signal.SIGKILL}, folder) == 0:
            return stages
        stages[read_metrics(folder)[0][-1].values["stage"]] += 1


def _wait_for_line(folder: Path, process: "subprocess.Popen[bytes]", known: int) -> None:
    """Until it says more than `known` lines, or has ended."""
    while len(read_metrics(folder)[0]) <= known and process.poll() is None:
        time.sleep(0.02)


def _check(code: int, allowed: set[int], folder: Path) -> int:
    if code not in allowed:
        said = (folder / _LOG).read_text(encoding="utf-8", errors="replace")[-2000:]
        raise SystemExit(f"the trainer ended with code {code}: {said}")
    return code


def _outcome(folder: Path) -> dict[str, bytes]:
    model = JobFolder(folder).model
    return {path.name: path.read_bytes() for path in sorted(model.glob("*.safetensors"))}


def _losses(folder: Path) -> dict[int, list[float | None]]:
    values = [metric.values for metric in read_metrics(folder)[0] if "loss" in metric.values]
    return {one["step"]: [one["loss"], one.get("pseudo_loss"), one.get("consistency_loss")] for one in values}


if __name__ == "__main__":
    main()
