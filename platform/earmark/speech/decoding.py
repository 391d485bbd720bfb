"""Decode files from outside in a child process with limits: a file that crashes or hangs the decoder costs itself."""

import json
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from earmark.speech import audio_faults
from earmark.speech.audio import MIN_CLIP_SECONDS, Decoded
from earmark.speech.cutting import SILENCE_DB, Stretch
from earmark.speech.decoder_process import COMMAND, Budget, Child, ChildGoneError
from earmark.speech.errors import EarmarkError
from earmark.speech.surveyed import SurveyedFile, Track, Wanted

AHEAD = 16
"""Files under way at a time, so that neither side waits for the other."""
BYTES_AHEAD = 1 << 16
"""What is asked ahead fits the wire unread: a child that is busy answering reads nothing."""


@dataclass(frozen=True)
class Limits:
    """What one file may cost: address space, and a time that grows with the file's size."""

    memory_bytes: int = 1 << 30
    seconds: float = 30.0
    seconds_per_megabyte: float = 4.0

    def time_for(self, size: int) -> float:
        """Seconds of waiting allowed for a file of `size` bytes."""
        return self.seconds + self.seconds_per_megabyte * size / 1e6


@dataclass
class _Request:
    """One file under way. It is asked for once more if the child is gone before it has answered."""

    path: Path
    shown: str
    body: bytes
    watch: Callable[[str, float], None] = lambda name, seconds: None
    is_sent: bool = False
    times_gone: int = 0
    fault: EarmarkError | None = None
    budget: Budget = field(default_factory=lambda: Budget(0.0))


@dataclass
class _Answer:
    """What the child said of one file: its arrays, then a description of the file."""

    arrays: list[np.ndarray]
    described: dict[str, Any]


class Decoder:
    """A long-lived decoding child. Use as a context manager, or call `close`. Threads take turns.

    Every method takes a path and, for messages, the name people know the file by. All raise EarmarkError: the faults
    of the file (`corpus:audio:...`), or `corpus:decoder:start` when the child cannot be started. That the child is
    gone is held against a file only when it happens twice: something else may have ended it.
    """

    def __init__(
        self, *, surveys: bool = False, limits: Limits | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        self.limits = limits or Limits()
        self._options = ("survey",) if surveys else ()
        self._command = command
        self._child: Child | None = None
        self._turn = threading.Lock()
        self._whose_turn: int | None = None

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self._child.pid if self._child else None

    def close(self) -> None:
        """End the child. The next call would start another."""
        if self._child:
            self._child.stop()
        self._child = None

    def survey(self, path: Path, wanted: Wanted | None = None, *, name: str | None = None) -> SurveyedFile:
        """Hear all of `path`, keeping clips and figures only. Memory grows by some 10 MB for each hour."""
        (found,) = self.survey_all([(path, name or path.name, wanted or Wanted())])
        if isinstance(found, EarmarkError):
            raise found
        return found

    def decode(self, path: Path, *, name: str | None = None) -> Decoded:
        """All samples of `path`: 64 kB for each second of audio."""
        (decoded,) = self.decode_all([(path, name or path.name)])
        if isinstance(decoded, EarmarkError):
            raise decoded
        return decoded

    def survey_all(
        self,
        files: Iterable[tuple[Path, str, Wanted]],
        *,
        watch: Callable[[str, float], None] = lambda name, seconds: None,
    ) -> Generator[SurveyedFile | EarmarkError]:
        """`survey` for each (path, name, wanted), in order, the child working ahead; a fault stands in its place.

        `watch(name, seconds)` hears every half minute of a long file how much is done; what it raises ends the
        iterator. The child is busy until the iterator is exhausted or closed.
        """
        requests = (
            _Request(path, shown, json.dumps({"do": "survey", "wanted": wanted.to_json()}).encode(), watch)
            for path, shown, wanted in files
        )
        for answer in self._answers(requests):
            if isinstance(answer, EarmarkError):
                yield answer
            else:
                tracks = tuple(Track.from_json(track) for track in answer.described.pop("tracks"))
                yield SurveyedFile(**answer.described, tracks=tracks)

    def decode_all(self, files: Iterable[tuple[Path, str]]) -> Generator[Decoded | EarmarkError]:
        """`decode` for each (path, name), in order, the child working ahead; a file's fault stands in its place.

        The child is busy until the iterator is exhausted or closed.
        """
        body = json.dumps({"do": "read", "stretches": None, "channel": None, "from": 0}).encode()
        for answer in self._answers(_Request(path, shown, body) for path, shown in files):
            if isinstance(answer, EarmarkError):
                yield answer
            else:
                samples = np.concatenate([np.zeros(0, np.float32), *answer.arrays])
                yield Decoded(**{**answer.described, "samples": samples})

    def stretches(
        self,
        path: Path,
        wanted: Sequence[Stretch],
        *,
        name: str | None = None,
        channel: int | None = None,
        start: int = 0,
    ) -> Iterator[np.ndarray]:
        """The samples of each stretch, in one pass; `wanted` is sorted by start.

        `channel` is counted from 0; None is the mean of all. A file without it is `corpus:audio:unsupported`. The pass
        begins at sample `start` (at 16 kHz), where the format can be entered there; no stretch lies before it.

        The child is busy until the iterator is exhausted or closed.
        """
        asked = {
            "do": "read",
            "stretches": [[one.start, one.end] for one in wanted],
            "channel": channel,
            "from": start,
        }
        request = _Request(path, name or path.name, json.dumps(asked).encode())
        with self._own_turn():
            for is_last in (False, True):
                came = 0
                try:
                    self._send([request])
                    for samples in self._arrays(request, {}):
                        came += 1
                        yield samples
                    request.is_sent = False
                    return
                except ChildGoneError as gone:
                    self._restart([request])
                    if came or is_last:
                        raise _gone(request, gone) from None
                finally:
                    if request.is_sent and not request.fault:
                        self.close()

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        """Wait for other threads; raise RuntimeError rather than wait for an iterator of this one."""
        if self._whose_turn == threading.get_ident():
            raise RuntimeError("this thread has an iterator of this decoder open: exhaust or close it first")
        with self._turn:
            self._whose_turn = threading.get_ident()
            try:
                yield
            finally:
                self._whose_turn = None

    def _answers(self, coming: Iterator[_Request]) -> Iterator[_Answer | EarmarkError]:
        under_way: deque[_Request] = deque()
        with self._own_turn():
            try:
                while True:
                    under_way.extend(islice(coming, AHEAD - len(under_way)))
                    if not under_way:
                        return
                    answer = self._first_answer(under_way)
                    if answer is not None:
                        under_way.popleft()
                        yield answer
            finally:
                if any(request.is_sent for request in under_way):
                    self.close()

    def _first_answer(self, under_way: "deque[_Request]") -> _Answer | EarmarkError | None:
        """The answer to the first request; None when it must be asked again, of a new child."""
        first = under_way[0]
        described: dict[str, Any] = {}
        try:
            self._send(under_way)
            return _Answer(list(self._arrays(first, described)), described)
        except ChildGoneError as gone:
            first.times_gone += 1
            self._restart(under_way)
            return _gone(first, gone) if first.times_gone > 1 else None
        except EarmarkError as fault:
            if not fault.error_id.startswith("corpus:audio:"):
                raise
            if fault.error_id == audio_faults.TIMEOUT:
                self._restart(under_way)
            return fault.with_traceback(
                None
            )  # its frames would keep whoever iterates alive, and our turn with them

    def _restart(self, under_way: Iterable[_Request]) -> None:
        self.close()
        for request in under_way:
            request.is_sent = False

    def _send(self, under_way: Iterable[_Request]) -> None:
        """Hand to the child what it does not have yet: the first, and of the others what the wire holds."""
        ahead = 0
        for number, request in enumerate(under_way):
            ahead += len(request.body) if number else 0
            if request.is_sent or request.fault:
                continue
            if ahead > BYTES_AHEAD:
                return
            try:
                file, size = _open_regular(request.path, request.shown)
            except EarmarkError as fault:
                request.fault = fault
                continue
            try:
                self._child = self._child or Child(self._command, self.limits.memory_bytes, self._options)
                self._child.send(file, request.body)
            finally:
                os.close(file)
            request.is_sent, request.budget = True, Budget(self.limits.time_for(size))

    def _arrays(self, request: _Request, described: dict[str, Any]) -> Iterator[np.ndarray]:
        """The answer to `request`, the next one on the wire; ends with `described` filled. Raises the file's fault."""
        if request.fault:
            raise request.fault
        assert self._child
        while True:
            try:
                kind, payload = self._child.receive(request.budget)
            except TimeoutError:
                raise _fault(request.shown, audio_faults.TIMEOUT, "took the decoder too long") from None
            if kind == b"S":
                yield np.frombuffer(payload, "<f4")
                continue
            said = json.loads(payload)
            if kind == b"P":
                request.budget.seconds = max(request.budget.seconds, self.limits.seconds)
                request.watch(request.shown, said["seconds"])
                continue
            if kind == b"J":
                described.update(said)
                return
            request.fault = _fault(request.shown, said["id"], said["reason"])
            raise request.fault


def check_worth_keeping(found: SurveyedFile, name: str) -> None:
    """Raise EarmarkError when there is nothing to hear: shorter than 0.1 s, or silent from end to end."""
    if found.duration < MIN_CLIP_SECONDS:
        reason = f"lasts {found.duration * 1000:.0f} ms; the least is {MIN_CLIP_SECONDS * 1000:.0f} ms"
        raise _fault(name, audio_faults.TOO_SHORT, reason)
    if found.loudest_db < SILENCE_DB:
        raise _fault(name, audio_faults.SILENT, f"is silent for all its {found.duration:.1f} s")


def _gone(request: _Request, gone: ChildGoneError) -> EarmarkError:
    return _fault(request.shown, audio_faults.CRASHED, f"ended the decoder (exit code {gone.code})")


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
