"""The command as the platform runs it: a process that can be ended, killed, and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training_jobs.recipe.conftest import weight_bytes
from training_jobs.recipe.prepare import read_metrics
from training_jobs.recipe.training import train

ROOT = Path(__file__).parents[3]


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training_jobs.recipe.all_is_speech", str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(folder: Path, process: subprocess.Popen[str], step: int) -> None:
    while not any("loss" in m.values and m.values["step"] >= step for m in read_metrics(folder)[0]):
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


@pytest.mark.timeout(300)
def test_killed_then_ended_then_left_alone_it_ends_in_the_same_weights(tmp_path, make_job: Callable):
    for name in ("reference", "job"):
        make_job(tmp_path / name, overrides={"epoch_steps": 30})
    train(tmp_path / "reference", stopping=lambda: False)
    folder = tmp_path / "job"

    process = _start(folder)
    wait_for_step(folder, process, 10)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    killed_at = max(m.values["step"] for m in read_metrics(folder)[0])

    process = _start(folder)
    wait_for_step(folder, process, 50)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (75, "")
    assert not (folder / "model").exists()
    resumed = [m.values["step"] for m in read_metrics(folder)[0] if m.values["stage"] == "resumed"]
    assert 9 <= resumed[0] <= killed_at

    process = _start(folder)
    _, errors = process.communicate(timeout=200)
    assert (process.returncode, errors) == (0, "")
    assert weight_bytes(folder) == weight_bytes(tmp_path / "reference")


def test_what_cannot_be_trained_is_one_line_of_json_and_exit_code_2(tmp_path, make_job: Callable):
    make_job(tmp_path)
    (tmp_path / "labelled.jsonl").write_text("")
    process = _start(tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    told = json.loads(errors)
    assert told["error_id"] == "training:data:unlabelled-only"
    assert told["message"]
    assert told["hint"]
