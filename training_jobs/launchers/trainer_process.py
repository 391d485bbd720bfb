"""The trainer's process: its command, its log, its end with its parent, what it said when it failed."""

import ctypes
import fcntl
import json
import shlex
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from earmark.speech.errors import EarmarkError

LOG_FILE = "stderr.log"
LOCK_FILE = ".lock"
LOCK_SECONDS = 60.0
SAVING_SECONDS = 600
"""How long torchrun waits for a checkpoint when it is asked to end; its own 30 are too few for a large model."""
LAST_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def command(folder: Path, processes: int = 1) -> list[str]:
    """The trainer on `folder` as one process, or as many under torchrun on this host."""
    module = ["-m", "training_jobs.recipe", str(folder)]
    if processes == 1:
        return [sys.executable, *module]
    spread = ["--standalone", f"--nproc-per-node={processes}", f"--shutdown-timeout={SAVING_SECONDS}"]
    return [sys.executable, "-m", "torch.distributed.run", *spread, *module]


def on_devices(arguments: list[str], devices: tuple[str, ...]) -> list[str]:
    """`arguments` with the GPUs among `devices` (`cuda:1`, `host/cuda:1`) as the only ones they see."""
    numbers = [one.rpartition("cuda:")[2] for one in devices if "cuda:" in one]
    return ["env", f"CUDA_VISIBLE_DEVICES={','.join(numbers)}", *arguments] if numbers else arguments


def spawn(folder: Path, arguments: list[str]) -> "subprocess.Popen[bytes]":
    """Start the trainer with its output in the folder's log, in a process group of its own.

    It gets SIGTERM when the thread that started it ends, however that ends.
    """
    with (folder / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            preexec_fn=_end_with_parent,
        )


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def is_free(folder: Path) -> bool:
    """Whether no trainer works in `folder`; one whose watcher was killed holds on until its checkpoint is saved."""
    if not folder.is_dir():
        return True
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def wait_until_free(folder: Path, *, seconds: float = LOCK_SECONDS) -> None:
    """Wait for the trainer in `folder` to leave. Raises EarmarkError `training:folder:busy`."""
    deadline = time.monotonic() + seconds
    while not is_free(folder):
        if time.monotonic() > deadline:
            raise EarmarkError(
                "training:folder:busy",
                f"Another trainer still works in {folder}.",
                "Wait for it to end or stop it, then retry the training.",
            )
        time.sleep(0.5)


def log_size(folder: Path) -> int:
    """Where the next line of the folder's log will begin, in bytes."""
    log = folder / LOG_FILE
    return log.stat().st_size if log.exists() else 0


def note(folder: Path, line: str) -> None:
    """Add a line of the platform's own to the folder's log."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    with (folder / LOG_FILE).open("a", encoding="utf-8") as log:
        log.write(f"{now} earmark: {line}\n")


def tail(folder: Path, *, start: int = 0, most_bytes: int = LAST_BYTES) -> list[str]:
    """The last lines of the folder's log from byte `start` on, at most `most_bytes` of them."""
    log = folder / LOG_FILE
    if not log.exists():
        return []
    with log.open("rb") as file:
        size = file.seek(0, 2)
        begin = max(start, size - most_bytes)
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return lines[1:] if begin > start and len(lines) > 1 else lines


def told(folder: Path, *, code: int, start: int = 0) -> EarmarkError:
    """What the trainer said when it ended with `code`: its own EarmarkError, or its last lines."""
    lines = [line for line in tail(folder, start=start) if line.strip()]
    for line in reversed(lines[-40:]):
        try:
            said = json.loads(line)
            return EarmarkError(said["error_id"], said["message"], said.get("hint", ""))
        except (ValueError, KeyError, TypeError):
            continue
    return EarmarkError(
        "training:child:died",
        f"The trainer ended with code {code}: {' / '.join(lines[-5:]) or 'it said nothing'}.",
        f"Read {shlex.quote(str(folder / LOG_FILE))}, then retry the training.",
    )
