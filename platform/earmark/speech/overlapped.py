"""Batches through two stages at once: the next is prepared while those before it are worked on."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


def overlapped(
    batches: Sequence[Batch],
    prepare: Callable[[Batch], Prepared],
    work: Callable[[Batch, Prepared], Result],
    *,
    workers: int,
) -> list[Result]:
    """`work(batch, prepare(batch))` of every batch, in order; `prepare` in one thread, `work` in `workers`.

    Every thread keeps to one core; at most twice as many batches as workers are held, and one more. Both functions
    run in inference mode. The first error stops what has not begun and is raised.
    """
    if len(batches) <= 1:
        with torch.inference_mode():
            return [work(batch, prepare(batch)) for batch in batches]
    threads = torch.get_num_threads()
    try:
        return _run(batches, prepare, work, workers)
    finally:
        torch.set_num_threads(threads)


def _run(
    batches: Sequence[Batch],
    prepare: Callable[[Batch], Prepared],
    work: Callable[[Batch, Prepared], Result],
    workers: int,
) -> list[Result]:
    def finish(batch: Batch, prepared: Future[Prepared]) -> Result:
        with torch.inference_mode():
            return work(batch, prepared.result())

    def begin(batch: Batch) -> Prepared:
        with torch.inference_mode():
            return prepare(batch)

    found: list[Result] = []
    pending: deque[Future[Result]] = deque()
    first = ThreadPoolExecutor(1, "features", initializer=torch.set_num_threads, initargs=(1,))
    second = ThreadPoolExecutor(workers, "decoding", initializer=torch.set_num_threads, initargs=(1,))
    with first, second:
        try:
            for batch in batches:
                if len(pending) > 2 * workers:
                    found.append(pending.popleft().result())
                pending.append(second.submit(finish, batch, first.submit(begin, batch)))
            found += [one.result() for one in pending]
        except BaseException:
            first.shutdown(wait=False, cancel_futures=True)
            second.shutdown(wait=False, cancel_futures=True)
            raise
    return found
