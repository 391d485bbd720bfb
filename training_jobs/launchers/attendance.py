"""How a trainer that nobody stays with is known to live: files beside it, which every host sees.

`attended.json` is written by whoever attends the trainer (`python -m training_jobs.launchers.attend`): the number of
the start, a count that grows while it lives, and at the end the exit code. `stop.json` is what asks it to end.
"""

import json
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_jobs.launchers.launcher import LOST, Handle, Launch

ATTENDED = "attended.json"
STOP = "stop.json"
BEAT_SECONDS = 5.0
SILENT_SECONDS = 120.0
"""A trainer whose attendant has not been heard of for so long is lost."""


@dataclass(frozen=True)
class Attended:
    """What the attendant wrote last; `code` is None while the trainer runs."""

    number: int
    beat: int
    host: str = ""
    pid: int = 0
    code: int | None = None


def command(launch: Launch, *, python: str = "") -> list[str]:
    """The attendant of one start, as arguments."""
    return [
        python or sys.executable, "-m", "training_jobs.launchers.attend", str(launch.folder),
        f"--number={launch.number}", f"--processes={launch.processes}",
    ]  # fmt: skip


def shell_command(launch: Launch, *, python: str = "") -> str:
    """The attendant of one start, for a shell."""
    return shlex.join(command(launch, python=python))


def write(folder: Path, attended: Attended) -> None:
    """Replace what was written; a reader sees the old or the new, never half of one."""
    _replace(folder / ATTENDED, asdict(attended))


def read(folder: Path, number: int) -> Attended | None:
    """What the attendant of that start wrote last, None before it wrote anything."""
    found = _read(folder / ATTENDED)
    return Attended(**found) if found and found["number"] == number else None


def ask_to_stop(launch: Launch, *, hard: bool) -> None:
    """Ask for the end of that start, whoever attends it."""
    _replace(launch.folder / STOP, {"number": launch.number, "hard": hard})


def forbid(folder: Path, *, below: int) -> None:
    """No start before number `below` shall live on, or begin late."""
    _replace(folder / STOP, {"number": below - 1, "hard": True})


def asked_to_stop(folder: Path, number: int) -> str:
    """`gently` or `hard` where that start, or a later one, was asked to stop, else empty."""
    found = _read(folder / STOP)
    if not found or found["number"] < number:
        return ""
    return "hard" if found["hard"] or found["number"] > number else "gently"


def code_of(launch: Launch, handle: Handle, *, silent_seconds: float = SILENT_SECONDS) -> int | None:
    """The exit code of that start, None while it lives or has not begun; LOST after `silent_seconds` without a beat.

    The time is measured by our own clock between changes of the count, which `handle` remembers: clocks differ.
    """
    attended = read(launch.folder, launch.number)
    if attended is None:
        return None
    if attended.code is not None:
        return attended.code
    now = time.time()
    if attended.beat != handle.get("beat"):
        handle.update(beat=attended.beat, beat_at=now, host=attended.host, pid=attended.pid)
    return LOST if now - handle["beat_at"] > silent_seconds else None


def _replace(path: Path, values: dict[str, object]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(values), encoding="utf-8")
    part.rename(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
