"""The decoding child as its parent sees it: a process, and a wire that carries files there and answers back."""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import earmark
from earmark.speech.errors import EarmarkError

COMMAND = (sys.executable, "-P", "-m", "earmark.speech.decoder_child")
START_SECONDS = 60.0
LARGEST_MESSAGE = 1 << 26


class ChildGoneError(Exception):
    """The child ended, with this exit code, in the middle of an answer or before it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Budget:
    """Seconds the child has left; only waiting for it spends any."""

    seconds: float


class Child:
    """A running child. Raises EarmarkError `corpus:decoder:start` when it does not come up."""

    def __init__(self, command: Sequence[str], memory_bytes: int, options: Sequence[str] = ()) -> None:
        self._wire, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(memory_bytes), *options],
                env=_environment(),
                cwd="/",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        try:
            kind, _ = self.receive(Budget(START_SECONDS))
        except (ChildGoneError, TimeoutError):
            kind = b""
        if kind != b"R":
            raise self._start_error(command)
        if self._process.stderr:
            self._process.stderr.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._wire.close()
        self._process.kill()
        self._process.wait()

    def send(self, file: int, body: bytes) -> None:
        """Hand over an open file and what is asked of it. Raises ChildGoneError."""
        message = struct.pack("<I", len(body)) + body
        try:
            self._wire.settimeout(None)
            sent = socket.send_fds(self._wire, [message], [file])
            self._wire.sendall(message[sent:])
        except ConnectionError:
            raise ChildGoneError(self._process.wait()) from None

    def receive(self, budget: Budget) -> tuple[bytes, bytearray]:
        """The kind and the payload of the next message. Raises ChildGoneError, and TimeoutError without budget."""
        kind, size = struct.unpack("<cQ", self._exactly(9, budget))
        if size > LARGEST_MESSAGE:
            self._process.kill()
            raise ChildGoneError(self._process.wait())
        return kind, self._exactly(size, budget)

    def _exactly(self, size: int, budget: Budget) -> bytearray:
        data = bytearray(size)
        view, done = memoryview(data), 0
        while done < size:
            if budget.seconds <= 0:
                raise TimeoutError
            began = time.monotonic()
            self._wire.settimeout(budget.seconds)
            try:
                got = self._wire.recv_into(view[done:])
            except ConnectionError:
                got = 0
            budget.seconds -= time.monotonic() - began
            if not got:
                raise ChildGoneError(self._process.wait())
            done += got
        return data

    def _start_error(self, command: Sequence[str]) -> EarmarkError:
        self._process.kill()
        _, said = self._process.communicate()
        self._wire.close()
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return EarmarkError(
            "corpus:decoder:start",
            f"The audio decoder ({' '.join(command)}) did not start: {last[0]}.",
            "Run that command by hand; the platform's packages may be incomplete.",
        )


def _environment() -> dict[str, str]:
    """Where our packages are, and nothing else: no secret of ours is within the decoder's reach."""
    source_root = str(Path(earmark.__file__).resolve().parents[1])
    places = [source_root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        "PYTHONPATH": os.pathsep.join(places),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **{name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG") if name in os.environ},
    }
