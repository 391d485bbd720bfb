"""Survey files on every core: each worker thread has a decoding child of its own, results come in the order asked."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from contextlib import closing
from dataclasses import dataclass
from typing import Self, TypeVar

from earmark.corpus.arrivals import Hashed, Kept, Refused, keep, shown
from earmark.corpus.pieces import Asked, wanted_of
from earmark.speech.decoding import Decoder

LOOKS_UP_SECONDS = 0.5

Answer = TypeVar("Answer")


class StoppedError(Exception):
    """The import ends; a file under way is left for the next attempt."""


@dataclass(frozen=True)
class Heard:
    """How far into a long file a worker is."""

    name: str
    seconds: float


class Surveyors:
    """Worker threads with a decoding child each. Use as a context manager: leaving it ends the children.

    `processes`: how many; as many as this process may use cores when it is not said.
    """

    def __init__(self, asked: Asked, *, processes: int = 0) -> None:
        self._asked = asked
        self.processes = processes or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self.processes, thread_name_prefix="survey")
        self._own = threading.local()
        self._decoders: list[Decoder] = []
        self._stopping = threading.Event()
        self.latest: Heard | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)
        for decoder in self._decoders:
            decoder.close()

    def submit(self, files: Sequence[Hashed]) -> "Future[list[Kept | Refused]]":
        """Survey and keep `files`, one after the other, when a worker is free."""
        return self._pool.submit(self._work, files)

    def _work(self, files: Sequence[Hashed]) -> list[Kept | Refused]:
        asked = [(file.path, shown(file.row.path), wanted_of(file.row, self._asked)) for file in files]
        with closing(self._decoder().survey_all(asked, watch=self._watch)) as answers:
            kept = []
            for file, found in zip(files, answers, strict=True):
                kept.append(keep(file, found, self._asked))
                self._watch(shown(file.row.path), 0.0)
            return kept

    def _decoder(self) -> Decoder:
        if not hasattr(self._own, "decoder"):
            self._own.decoder = Decoder(surveys=True)
            self._decoders.append(self._own.decoder)
        return self._own.decoder

    def _watch(self, name: str, seconds: float) -> None:
        if self._stopping.is_set():
            raise StoppedError
        self.latest = Heard(name, seconds) if seconds else None


def in_order(
    under_way: "Iterator[tuple[Answer, Future[list[Kept | Refused]]]]",
    *,
    ahead: int,
    waiting: Callable[[], None],
) -> "Iterator[tuple[Answer, list[Kept | Refused]]]":
    """Each pair with its future's result, in order, up to `ahead` of them begun; `waiting()` is called now and then.

    What `waiting` or a future raises ends it.
    """
    begun: deque[tuple[Answer, Future[list[Kept | Refused]]]] = deque()
    while True:
        while len(begun) < ahead and (following := next(under_way, None)) is not None:
            begun.append(following)
        if not begun:
            return
        first, future = begun.popleft()
        yield first, _result(future, waiting)


def _result(future: "Future[list[Kept | Refused]]", waiting: Callable[[], None]) -> list[Kept | Refused]:
    while True:
        try:
            return future.result(timeout=LOOKS_UP_SECONDS)
        except NotYetError:
            if future.done():
                raise
            waiting()
