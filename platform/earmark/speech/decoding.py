"""Decode files from outside in a child process with limits: a file that crashes or hangs the decoder costs itself."""

import json
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import earmark
from earmark.speech import audio_faults
from earmark.speech.audio import MIN_CLIP_SECONDS, SAMPLE_RATE, Decoded
from earmark.speech.cutting import Stretch, is_silent
from earmark.speech.errors import EarmarkError

CHILD = (sys.executable, "-P", "-m", "earmark.speech.decoder_child")
START_SECONDS = 60.0
LARGEST_MESSAGE = 1 << 26


@dataclass(frozen=True)
class Limits:
    """What one file may cost: address space, and a time that grows with the file's size."""

    memory_bytes: int = 1 << 30
    seconds: float = 30.0
    seconds_per_megabyte: float = 4.0

    def time_for(self, size: int) -> float:
        """Seconds of waiting allowed for a file of `size` bytes."""
        return self.seconds + self.seconds_per_megabyte * size / 1e6


@dataclass(frozen=True)
class Probed:
    """What a whole file holds, without its samples.

    `samples` counts them at 16 kHz; `rate` (Hz), `channels` and `format` are the file's own; `loudness` is float32
    [ceil(samples / 160)], the dBFS of each frame of 10 ms.
    """

    samples: int
    rate: int
    channels: int
    format: str
    loudness: np.ndarray

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE


@dataclass
class _Budget:
    """The time the child has left for one file; only waiting for it spends any."""

    seconds: float


class _ChildGoneError(Exception):
    """The child ended in the middle of an answer."""


class Decoder:
    """A long-lived decoding child. Use as a context manager, or call `close`. Threads take turns.

    Every method takes a path and, for messages, the `name` people know the file by. All raise EarmarkError: the
    faults of the file (`corpus:audio:...`), or `corpus:decoder:start` when the child cannot be started.
    """

    def __init__(self, *, limits: Limits | None = None, command: Sequence[str] = CHILD) -> None:
        self.limits = limits or Limits()
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: socket.socket | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the child. The next call would start another."""
        if self._wire:
            self._wire.close()
        if self._process:
            self._process.kill()
            self._process.wait()
            if self._process.stderr:
                self._process.stderr.close()
        self._wire = self._process = None

    def probe(self, path: Path, *, name: str | None = None) -> Probed:
        """Decode all of `path`, keeping only its measures. Memory is bounded however long the file is."""
        with self._asked(path, name, {"do": "probe"}) as answer:
            (loudness,) = answer
        return Probed(**answer.result, loudness=loudness)

    def decode(self, path: Path, *, name: str | None = None) -> Decoded:
        """All samples of `path`: 64 kB for each second of audio."""
        with self._asked(path, name, {"do": "read", "stretches": None}) as answer:
            pieces = list(answer)
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        answer.result.pop("samples")
        return Decoded(samples=samples, **answer.result)

    def stretches(
        self, path: Path, wanted: Sequence[Stretch], *, name: str | None = None
    ) -> Iterator[np.ndarray]:
        """The samples of each stretch, in one pass; `wanted` is sorted and without overlap.

        The child is busy until the iterator is exhausted or closed.
        """
        request = {"do": "read", "stretches": [[one.start, one.end] for one in wanted]}
        with self._asked(path, name, request) as answer:
            yield from answer

    @contextmanager
    def _asked(self, path: Path, name: str | None, request: dict[str, Any]) -> Iterator["_Answer"]:
        shown = name or path.name
        with self._turn:
            file, size = _open_regular(path, shown)
            try:
                answer = self._send(file, size, request, shown)
            finally:
                os.close(file)
            try:
                yield answer
            finally:
                if not answer.is_complete:
                    self.close()

    def _send(self, file: int, size: int, request: dict[str, Any], shown: str) -> "_Answer":
        body = json.dumps(request).encode()
        for _ in range(2):
            wire, process = self._running()
            try:
                wire.settimeout(None)
                socket.send_fds(wire, [struct.pack("<I", len(body))], [file])
                wire.sendall(body)
                _receive(wire, _Budget(START_SECONDS))
            except (ConnectionError, TimeoutError, _ChildGoneError):  # before it looked at this file
                self.close()
                continue
            return _Answer(wire, process, _Budget(self.limits.time_for(size)), shown)
        raise _fault(shown, audio_faults.CRASHED, "found the decoder dead twice before it could be looked at")

    def _running(self) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
        """The child and the wire to it; started, or started again, when there is none."""
        if self._wire and self._process and self._process.poll() is None:
            return self._wire, self._process
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = process = subprocess.Popen(
                [*self._command, str(theirs.fileno()), str(self.limits.memory_bytes)],
                env=_child_environment(),
                cwd="/",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        self._wire = ours
        try:
            kind, _ = _receive(ours, _Budget(START_SECONDS))
        except (_ChildGoneError, TimeoutError):
            kind = b""
        if kind != b"R":
            raise self._start_error(process)
        assert process.stderr
        process.stderr.close()
        return ours, process

    def _start_error(self, process: "subprocess.Popen[bytes]") -> EarmarkError:
        process.kill()
        _, said = process.communicate()
        self.close()
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return EarmarkError(
            "corpus:decoder:start",
            f"The audio decoder ({' '.join(self._command)}) did not start: {last[0]}.",
            "Run that command by hand; the platform's packages may be incomplete.",
        )


class _Answer:
    """One file's answer as it comes: iterate for the samples; then `result` is what the child said last."""

    def __init__(
        self, wire: socket.socket, process: "subprocess.Popen[bytes]", budget: _Budget, shown: str
    ) -> None:
        self._wire, self._process, self._budget, self._shown = wire, process, budget, shown
        self.result: dict[str, Any] = {}
        self.is_complete = False

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            try:
                kind, payload = _receive(self._wire, self._budget)
            except TimeoutError:
                raise _fault(self._shown, audio_faults.TIMEOUT, "took the decoder too long") from None
            except _ChildGoneError:
                code = self._process.wait()
                reason = f"ended the decoder (exit code {code})"
                raise _fault(self._shown, audio_faults.CRASHED, reason) from None
            if kind == b"S":
                yield np.frombuffer(payload, "<f4")
                continue
            said = json.loads(payload)
            self.is_complete = True
            if kind == b"E":
                raise _fault(self._shown, said["id"], said["reason"])
            self.result = said
            return


def check_worth_keeping(probed: Probed, name: str) -> None:
    """Raise EarmarkError when there is nothing to hear: shorter than 0.1 s, or silent from end to end."""
    if probed.duration < MIN_CLIP_SECONDS:
        reason = f"lasts {probed.duration * 1000:.0f} ms; the least is {MIN_CLIP_SECONDS * 1000:.0f} ms"
        raise _fault(name, audio_faults.TOO_SHORT, reason)
    if is_silent(probed.loudness):
        raise _fault(name, audio_faults.SILENT, f"is silent for all its {probed.duration:.1f} s")


def _fault(shown: str, error_id: str, reason: str) -> EarmarkError:
    return EarmarkError(error_id, f"{shown!r} {reason}.", audio_faults.HINTS[error_id])


def _open_regular(path: Path, shown: str) -> tuple[int, int]:
    """An open descriptor and the size of `path`, which must be a regular file that holds something."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _fault(shown, audio_faults.MISSING, f"cannot be opened ({error.strerror})") from None
    state = os.fstat(file)
    if not stat.S_ISREG(state.st_mode):
        os.close(file)
        raise _fault(shown, audio_faults.UNREADABLE, "is not a file")
    if not state.st_size:
        os.close(file)
        raise _fault(shown, audio_faults.EMPTY, "is empty")
    return file, state.st_size


def _child_environment() -> dict[str, str]:
    """Where our packages are, and nothing else: no secret of ours is within the decoder's reach."""
    source_root = str(Path(earmark.__file__).resolve().parents[1])
    places = [source_root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        "PYTHONPATH": os.pathsep.join(places),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **{name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG") if name in os.environ},
    }


def _receive(wire: socket.socket, budget: _Budget) -> tuple[bytes, bytearray]:
    kind, size = struct.unpack("<cQ", _exactly(wire, 9, budget))
    if size > LARGEST_MESSAGE:
        raise _ChildGoneError
    return kind, _exactly(wire, size, budget)


def _exactly(wire: socket.socket, size: int, budget: _Budget) -> bytearray:
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        began = time.monotonic()
        if budget.seconds <= 0:
            raise TimeoutError
        wire.settimeout(budget.seconds)
        try:
            got = wire.recv_into(view[done:])
        except ConnectionError:
            raise _ChildGoneError from None
        budget.seconds -= time.monotonic() - began
        if not got:
            raise _ChildGoneError
        done += got
    return data
