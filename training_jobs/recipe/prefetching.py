"""What the next steps need, made ready in the background while one runs; in what order, the caller alone decides."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

Ready = TypeVar("Ready")

_SWITCH_SECONDS = 0.0005
AHEAD = 3
"""Steps made ready before they are asked for."""


class Prefetcher(Generic[Ready]):
    """Gives `make(0)`, `make(1)`, ... by number, each made by a worker thread before it is asked for."""

    def __init__(self, pool: ThreadPoolExecutor, make: Callable[[int], Ready], first: int, end: int) -> None:
        self._pool, self._make, self._next, self._end = pool, make, first, end
        self._pending: deque[Future[Ready]] = deque()
        self._fill()

    def take(self) -> Ready:
        """The next one. What `make` raised is raised here."""
        one = self._pending.popleft()
        self._fill()
        return one.result()

    def _fill(self) -> None:
        while len(self._pending) < AHEAD and self._next < self._end:
            self._pending.append(self._pool.submit(self._make, self._next))
            self._next += 1


@contextmanager
def background(processes: int = 1) -> Iterator[ThreadPoolExecutor]:
    """Threads to make things ready in: one for four of this process's share of the cores.

    Meanwhile Python hands over between threads ten times as often, so that a step waits for them less.
    """
    workers = max(1, (os.cpu_count() or 1) // (4 * processes))
    pool = ThreadPoolExecutor(min(8, workers), "examples")
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        sys.setswitchinterval(before)
