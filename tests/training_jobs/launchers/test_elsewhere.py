"""Trainers that nobody stays with: the attendant, the command template, Slurm."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.speech.errors import EarmarkError
from training_jobs.launchers import attend, attendance, trainer_process
from training_jobs.launchers.attendance import Attended
from training_jobs.launchers.command import CommandLauncher
from training_jobs.launchers.launcher import LOST, STOPPED, Handle, Launch, Launcher
from training_jobs.launchers.slurm import SlurmLauncher

FAKE_PYTHON = """#!{python}
import json, sys
from pathlib import Path
folder = Path(sys.argv[3])
number = int(sys.argv[4].partition("=")[2])
told = {{"number": number, "beat": 1, "host": "node7", "pid": 1, "code": {code}}}
(folder / "attended.json").write_text(json.dumps(told))
"""


@pytest.fixture
def fake_python(tmp_path: Path) -> Callable[[int], str]:
    """An interpreter that runs no trainer: the attendant says at once that it ended with that code."""

    def make(code: int) -> str:
        path = tmp_path / f"python-{code}"
        path.write_text(FAKE_PYTHON.format(python=sys.executable, code=code))
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    folder = tmp_path / "17"
    folder.mkdir()
    return Launch(folder=folder, number=2)


def ended(launcher: Launcher, launch: Launch, handle: Handle) -> int:
    for _ in range(1500):
        if (code := launcher.poll(launch, handle)) is not None:
            return code
        time.sleep(0.02)
    raise AssertionError("it never ended")


@pytest.mark.parametrize("code", [0, 2])
def test_a_command_is_followed_by_what_the_attendant_writes(
    launch: Launch, fake_python: Callable[[int], str], code: int
) -> None:
    launcher = CommandLauncher(start="env A=1 {command}", python=fake_python(code))
    assert ended(launcher, launch, launcher.start(launch)) == code


def test_a_command_that_only_hands_it_in_is_waited_for(launch: Launch) -> None:
    launcher = CommandLauncher(start="true # {command}")
    handle = launcher.start(launch)
    while not (launch.folder / "launcher-2.code").exists():
        time.sleep(0.01)
    assert launcher.poll(launch, handle) is None
    attendance.write(launch.folder, Attended(2, 1, "far", 9, 75))
    assert launcher.poll(launch, handle) == STOPPED


@pytest.mark.parametrize("hard", [False, True])
def test_what_was_handed_in_and_never_began_can_be_cancelled(launch: Launch, hard: bool) -> None:
    launcher = CommandLauncher(start="true # {command}")
    handle = launcher.start(launch)
    assert launcher.poll(launch, handle) is None
    launcher.stop(launch, handle, hard=hard)
    assert launcher.poll(launch, handle) == STOPPED


def test_a_command_that_fails_is_told_with_what_it_said(launch: Launch) -> None:
    launcher = CommandLauncher(start="echo no such host >&2; false {command}")
    handle = launcher.start(launch)
    with pytest.raises(EarmarkError, match="no such host") as caught:
        ended(launcher, launch, handle)
    assert caught.value.error_id == "training:launcher:failed"


@pytest.mark.parametrize("start", ["ssh gpu", "{command} {gpu}", "{command} {"])
def test_a_template_that_cannot_work_is_refused_at_once(start: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        CommandLauncher(start=start)
    assert caught.value.error_id == "training:launcher:template"


def test_paths_reach_the_shell_as_they_are(tmp_path: Path, fake_python: Callable[[int], str]) -> None:
    folder = tmp_path / "a folder; touch stolen"
    folder.mkdir()
    launcher = CommandLauncher(start="{command} {folder}", python=fake_python(0))
    odd = Launch(folder=folder)
    assert ended(launcher, odd, launcher.start(odd)) == 0
    assert not list(tmp_path.rglob("stolen"))


# submitit's stand-in for Slurm drops its process while it runs
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_slurm_is_followed_by_submitit_and_the_attendant(
    launch: Launch, fake_python: Callable[[int], str]
) -> None:
    options: dict[str, Any] = {"cluster": "local", "gpus_per_process": 0}
    launcher = SlurmLauncher(python=fake_python(75), **options)
    handle = launcher.start(launch)
    assert handle["cluster"] == "local"
    assert ended(SlurmLauncher(**options), launch, handle) == STOPPED


class Watched:
    """A Slurm job in a state."""

    state = "NODE_FAIL"
    cancelled = 0

    def __init__(self, **_which: Any) -> None:
        pass

    def cancel(self, *, check: bool) -> None:
        type(self).cancelled += 1


def test_what_slurm_lost_is_lost_and_what_it_queues_waits(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = SlurmLauncher()
    monkeypatch.setattr(launcher._submitit, "SlurmJob", Watched)
    handle: Handle = {"cluster": "slurm", "job": "99"}
    for state, code in (("PENDING", None), ("UNKNOWN", None), ("CANCELLED by 7", LOST), ("NODE_FAIL", LOST)):
        monkeypatch.setattr(Watched, "state", state)
        assert launcher.poll(launch, handle) == code
    launcher.stop(launch, handle, hard=False)
    assert Watched.cancelled == 1, "what has not begun is taken out of the queue"
    attendance.write(launch.folder, Attended(2, 1))
    launcher.stop(launch, handle, hard=False)
    assert Watched.cancelled == 1, "what runs is asked to save its checkpoint"
    launcher.stop(launch, handle, hard=True)
    assert Watched.cancelled == 2


def test_what_nobody_wrote_down_is_asked_to_end_by_the_folder(launch: Launch) -> None:
    SlurmLauncher(cluster="local").stop(launch, {"number": launch.number}, hard=True)
    assert attendance.asked_to_stop(launch.folder, launch.number) == "hard"


def test_a_silent_attendant_is_lost_by_our_own_clock(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(attendance.time, "time", lambda: clock[0])
    handle: Handle = {}
    assert attendance.code_of(launch, handle) is None, "it has not begun"
    for beat, after in ((1, 0.0), (2, 100.0), (2, 100.0)):
        clock[0] += after
        attendance.write(launch.folder, Attended(2, beat))
        assert attendance.code_of(launch, handle) is None
    clock[0] += 30.0
    assert attendance.code_of(launch, handle) == LOST
    attendance.write(launch.folder, Attended(2, 3))
    assert attendance.code_of(launch, handle) is None, "it was only slow"


def test_an_earlier_start_must_end_when_a_later_one_begins(launch: Launch) -> None:
    attendance.ask_to_stop(launch, hard=False)
    assert [attendance.asked_to_stop(launch.folder, n) for n in (1, 2, 3)] == ["hard", "gently", ""]
    attendance.forbid(launch.folder, below=3)
    assert [attendance.asked_to_stop(launch.folder, n) for n in (1, 2, 3)] == ["hard", "hard", ""]


@pytest.mark.parametrize(("hard", "code"), [(False, STOPPED), (True, -signal.SIGKILL)])
def test_the_attendant_passes_on_who_wants_an_end(
    launch: Launch, hard: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attend, "LOOK_SECONDS", 0.01)
    child = trainer_process.spawn(
        launch.folder, ["sh", "-c", "trap 'exit 1' TERM; while true; do sleep 0.01; done"]
    )
    found: list[int] = []
    watching = threading.Thread(
        target=lambda: found.append(attend._attend(child, launch.folder, 2, 0.02, threading.Event()))
    )
    watching.start()
    while (now := attendance.read(launch.folder, 2)) is None or now.beat < 3:
        time.sleep(0.01)
    attendance.ask_to_stop(launch, hard=hard)
    watching.join()
    told = attendance.read(launch.folder, 2)
    assert told is not None
    assert found == [told.code] == [code], (
        "torchrun ends with 1 when it is asked to: the attendant knows better"
    )


def test_a_start_that_comes_too_late_starts_nothing(launch: Launch) -> None:
    attendance.forbid(launch.folder, below=3)
    ended = subprocess.run(attendance.command(launch), check=False)
    assert ended.returncode == STOPPED
    assert attendance.read(launch.folder, 2) is None
