"""The trainer as a child: its error is told with its id, its death is noticed, it ends with its watcher."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training_jobs.child import EXIT_INTERRUPTED, Trainer
from training_jobs.recipe.__main__ import EXIT_CANNOT, EXIT_STOPPED

WATCHER = """
import sys, time
from pathlib import Path
from training_jobs import child
real = child.subprocess.Popen
child.subprocess.Popen = lambda command, **options: real(["sleep", "60"], **options)
with child.Trainer(Path(sys.argv[1])) as trainer:
    print(trainer.process.pid, flush=True)
    time.sleep(60)
"""


def ended(trainer: Trainer) -> int:
    while (code := trainer.poll()) is None:
        time.sleep(0.05)
    return code


def test_what_the_trainer_says_becomes_the_error(tmp_path: Path) -> None:
    with Trainer(tmp_path) as trainer:
        code = ended(trainer)
    error = trainer.error(code)
    assert code == EXIT_CANNOT
    assert error.error_id == "training:job:unreadable"
    assert "job.toml" in str(error)


def test_a_trainer_that_says_nothing_is_still_explained(tmp_path: Path) -> None:
    with Trainer(tmp_path) as trainer:
        trainer.process.kill()
        code = ended(trainer)
    (tmp_path / "stderr.log").write_text("")
    error = trainer.error(code)
    assert error.error_id == "training:child:died"
    assert "-9" in str(error)


def test_the_trainer_ends_when_its_watcher_is_killed(tmp_path: Path) -> None:
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert watcher.stdout is not None
    child = int(watcher.stdout.readline())
    os.kill(watcher.pid, signal.SIGKILL)
    watcher.wait()
    watcher.stdout.close()
    deadline = time.monotonic() + 20
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return status != "Z"


def test_both_sides_agree_on_the_exit_code_of_an_interrupted_run() -> None:
    assert EXIT_INTERRUPTED == EXIT_STOPPED


@pytest.mark.parametrize("line", ["not json", "{}", '{"error_id": 1}', "[]"])
def test_a_last_line_that_is_no_error_is_quoted(tmp_path: Path, line: str) -> None:
    trainer = Trainer(tmp_path)
    trainer._errors_from = 0
    (tmp_path / "stderr.log").write_text(f"Traceback\n{line}\n")
    error = trainer.error(1)
    assert error.error_id == "training:child:died"
    assert line in str(error)
