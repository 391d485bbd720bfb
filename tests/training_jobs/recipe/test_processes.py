"""Several processes that share a run: what they sum, and that two of them learn what one does."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from select import select

import pytest
import torch
from safetensors.torch import load_file

from earmark.speech.errors import EarmarkError
from tests.training_jobs.recipe.test_command import ROOT, wait_for_step
from training_jobs.recipe.prepare import read_metrics
from training_jobs.recipe.processes import Processes, sharing
from training_jobs.recipe.training import train

OVERRIDES = {
    "epoch_steps": 4, "batch_size": 6, "micro_batch_size": 4, "warm_up_epochs": 1, "mixed_epochs": 2,
    "guard_ratio": 100.0, "relabel_epochs": 1,
}  # fmt: skip

LOSSES = ("loss", "pseudo_loss", "consistency_loss")
GRADIENTS = ("gradient_norm", "variance_ratio")


def _start(folder: Path, processes: int) -> subprocess.Popen[str]:
    spread = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [sys.executable, *spread, "-m", "tests.training_jobs.recipe.all_is_speech", str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _curve(folder: Path, *names: str) -> dict[int, list[float]]:
    values = [m.values for m in read_metrics(folder)[0] if "loss" in m.values]
    return {v["step"]: [v[name] for name in names if name in v] for v in values}


@pytest.mark.timeout(300)
def test_two_processes_killed_on_their_way_give_the_loss_curve_of_one(
    tmp_path: Path, make_job: Callable
) -> None:
    for name, processes in (("one", 1), ("two", 2)):
        make_job(tmp_path / name, overrides=OVERRIDES, processes=processes)
    train(tmp_path / "one", stopping=lambda: False)

    process = _start(tmp_path / "two", 2)
    wait_for_step(tmp_path / "two", process, 6)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    process = _start(tmp_path / "two", 2)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors

    for names, tolerance in ((LOSSES, {"rel": 0, "abs": 1e-4}), (GRADIENTS, {"rel": 1e-3})):
        one, two = (_curve(tmp_path / name, *names) for name in ("one", "two"))
        assert one.keys() == two.keys() == set(range(1, 13))
        for step, values in one.items():
            assert two[step] == pytest.approx(values, **tolerance), step
    learned = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two")]
    for name, tensor in learned[0].items():
        torch.testing.assert_close(learned[1][name], tensor, rtol=1e-3, atol=1e-3)
    heard = {path.name for path in (tmp_path / "two" / "checkpoint").glob("hearings-*")}
    assert heard == {f"hearings-00{n}-{rank}of2.jsonl" for n in (1, 2) for rank in (0, 1)}


def test_clips_are_shared_out_one_by_one() -> None:
    shares = [Processes(rank, 3).share("abcdefg") for rank in range(3)]
    assert shares == [["a", "d", "g"], ["b", "e"], ["c", "f"]]


def test_started_as_another_number_of_processes_than_the_job_says_it_does_not_begin() -> None:
    with pytest.raises(EarmarkError, match="2 processes") as caught, sharing(device="cpu", processes=2):
        pass
    assert caught.value.error_id == "training:launch:processes"


CHILD = """
import time
from training_jobs.recipe.processes import end_with_parent
end_with_parent()
print("ready", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def test_what_torchrun_started_does_not_outlive_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        let_go, _, _ = select([parent.stdout], [], [], 20)
        if not let_go:
            os.kill(child, signal.SIGKILL)
    assert let_go, "it holds its output open as long as it lives"
