"""The trainer as a child of the worker: its error is told with its id, it ends with its watcher."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from training_jobs.launchers import trainer_process
from training_jobs.launchers.launcher import CANNOT, STOPPED, Handle, Launch
from training_jobs.launchers.local import LocalLauncher
from training_jobs.recipe.__main__ import EXIT_CANNOT, EXIT_STOPPED

WATCHER = """
import sys, time
from pathlib import Path
from training_jobs.launchers import trainer_process
from training_jobs.launchers.launcher import Launch
from training_jobs.launchers.local import LocalLauncher
trainer_process.command = lambda folder, processes: ["sleep", "60"]
print(LocalLauncher().start(Launch(folder=Path(sys.argv[1])))["pid"], flush=True)
time.sleep(60)
"""


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[LocalLauncher, Launch, Handle]]:
    """Start a shell script in the trainer's stead."""

    def start(folder: Path, script: str) -> tuple[LocalLauncher, Launch, Handle]:
        monkeypatch.setattr(trainer_process, "command", lambda folder, processes: ["sh", "-c", script])
        launcher, launch = LocalLauncher(), Launch(folder=folder)
        return launcher, launch, launcher.start(launch)

    return start


def ended(launcher: LocalLauncher, launch: Launch, handle: Handle) -> int:
    while (code := launcher.poll(launch, handle)) is None:
        time.sleep(0.01)
    return code


def test_what_the_trainer_says_becomes_the_error(tmp_path: Path) -> None:
    launcher, launch = LocalLauncher(), Launch(folder=tmp_path)
    code = ended(launcher, launch, launcher.start(launch))
    error = trainer_process.told(tmp_path, code=code)
    assert code == CANNOT
    assert error.error_id == "training:job:unreadable"
    assert "job.toml" in str(error)


def test_both_sides_agree_on_exit_codes() -> None:
    assert (CANNOT, STOPPED) == (EXIT_CANNOT, EXIT_STOPPED)


def test_one_that_is_asked_to_end_saves_and_one_that_must_is_killed(starts: Callable, tmp_path: Path) -> None:
    stubborn = "trap 'exit 75' TERM; touch ready; while true; do sleep 0.01; done"
    for hard, code in ((False, STOPPED), (True, -signal.SIGKILL)):
        launcher, launch, handle = starts(tmp_path, f"cd {tmp_path}; {stubborn}")
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        launcher.stop(launch, handle, hard=hard)
        assert ended(launcher, launch, handle) == code
        (tmp_path / "ready").unlink()
        launcher.stop(launch, handle, hard=True)


def test_torchrun_that_was_told_to_end_has_stopped_and_did_not_fail(starts: Callable, tmp_path: Path) -> None:
    for told, code in (("", 1), ("gently", STOPPED)):
        launcher, _launch, handle = starts(tmp_path, "exit 1")
        launch = Launch(folder=tmp_path, processes=2)
        assert ended(launcher, launch, {**handle, "told": told}) == code


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


def test_a_trainer_of_a_dead_worker_is_waited_for_and_counts_as_stopped(tmp_path: Path) -> None:
    launcher, launch = LocalLauncher(), Launch(folder=tmp_path)
    left_behind: Handle = {"host": socket.gethostname(), "pid": 4_000_000}
    with (tmp_path / trainer_process.LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert launcher.poll(launch, left_behind) is None, "it saves its checkpoint"
    assert launcher.poll(launch, left_behind) == STOPPED
    assert launcher.poll(launch, {}) == STOPPED, "the worker died before it knew what it had started"


def test_a_worker_that_goes_leaves_no_trainer_behind(starts: Callable, tmp_path: Path) -> None:
    launcher, _launch, handle = starts(tmp_path, "exec sleep 60")
    launcher.leave(handle)
    assert not _alive(handle["pid"])
    launcher.leave(handle)


@pytest.mark.parametrize("line", ["not json", "{}", '{"error_id": 1}', "[]"])
def test_a_last_line_that_is_no_error_is_quoted(tmp_path: Path, line: str) -> None:
    (tmp_path / trainer_process.LOG_FILE).write_text(f"Traceback\n{line}\n")
    error = trainer_process.told(tmp_path, code=1)
    assert error.error_id == "training:child:died"
    assert line in str(error)


def test_an_error_of_an_earlier_start_is_not_told_again(tmp_path: Path) -> None:
    log = tmp_path / trainer_process.LOG_FILE
    log.write_text('{"error_id": "training:old:one", "message": "Old."}\n')
    begins = trainer_process.log_size(tmp_path)
    trainer_process.note(tmp_path, "start 2")
    error = trainer_process.told(tmp_path, code=-9, start=begins)
    assert error.error_id == "training:child:died"
    assert "-9" in str(error)


def test_a_long_log_is_shown_from_a_whole_line_on(tmp_path: Path) -> None:
    (tmp_path / trainer_process.LOG_FILE).write_text("".join(f"line {n}\n" for n in range(1000)))
    lines = trainer_process.tail(tmp_path, most_bytes=100)
    assert lines[-1] == "line 999"
    assert lines[0].startswith("line 9")


def test_gpus_are_named_to_the_trainer_as_its_only_ones() -> None:
    assert trainer_process.on_devices(["x"], ("host/cuda:1", "host/cuda:3")) == [
        "env",
        "CUDA_VISIBLE_DEVICES=1,3",
        "x",
    ]
    assert trainer_process.on_devices(["x"], ("host/cpu",)) == ["x"]


def test_several_processes_go_through_torchrun(tmp_path: Path) -> None:
    assert "torch.distributed.run" not in trainer_process.command(tmp_path)
    several = trainer_process.command(tmp_path, 4)
    spread = {"torch.distributed.run", "--nproc-per-node=4", "--shutdown-timeout=600"}
    assert {*spread, "training_jobs.recipe"} <= set(several)
