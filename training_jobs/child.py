"""The trainer as a child process: started once per folder, stopped with a checkpoint, gone with its parent."""

import ctypes
import fcntl
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from earmark.speech.errors import EarmarkError

EXIT_INTERRUPTED = 75
STOP_SECONDS = 30.0
LOCK_SECONDS = 60.0
LOCK_FILE = ".lock"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Trainer:
    """`python -m training_jobs.recipe FOLDER`, watched.

    A trainer holds its folder's lock as long as it lives. One whose watcher was killed is saving its checkpoint
    when the next watcher comes, which waits for it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> "Trainer":
        _wait_until_free(self.folder)
        self._errors = (self.folder / "stderr.log").open("ab")
        self._errors_from = self._errors.tell()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "training_jobs.recipe", str(self.folder)],
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            preexec_fn=_end_with_parent,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._errors.close()

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Let it save a checkpoint and end; kill it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def error(self, code: int) -> EarmarkError:
        """What the trainer said when it failed: its own EarmarkError, or its last lines."""
        with (self.folder / "stderr.log").open("rb") as file:
            file.seek(self._errors_from)
            lines = file.read().decode(errors="replace").strip().splitlines()
        if lines:
            try:
                told = json.loads(lines[-1])
                return EarmarkError(told["error_id"], told["message"], told.get("hint", ""))
            except (ValueError, KeyError, TypeError):
                pass
        return EarmarkError(
            "training:child:died",
            f"The trainer ended with code {code}: {' / '.join(lines[-5:]) or 'it said nothing'}.",
            f"Read {self.folder / 'stderr.log'}, then launch the training again.",
        )


def _wait_until_free(folder: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    with (folder / LOCK_FILE).open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise EarmarkError(
                        "training:folder:busy",
                        f"Another trainer still works in {folder}.",
                        "Wait for it to end or stop it, then launch the training again.",
                    ) from error
                time.sleep(0.5)
            else:
                return
