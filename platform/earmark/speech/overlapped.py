"""Work in lanes, one for every core or one for an accelerator, and what they need next made ready ahead of them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Result = TypeVar("Result")

_AHEAD = 2


def in_lanes(
    items: Sequence[Item],
    prepare: Callable[[Item], Ready],
    work: Callable[[Iterator[Ready]], Result],
    *,
    lanes: int,
) -> list[Result]:
    """`work` over the prepared items of each lane: lane k of n takes items k, k + n, ... so results never vary.

    All items are prepared in one thread, at most two a lane ahead of the work. Everything runs in inference mode and
    every thread keeps to one core. A single item is worked on here, with all cores. The first error is raised.
    """
    if len(items) <= 1:
        with torch.inference_mode():
            return [work(prepare(item) for item in items)]
    threads = torch.get_num_threads()
    try:
        return _run(items, prepare, work, min(lanes, len(items)))
    finally:
        torch.set_num_threads(threads)


def _run(
    items: Sequence[Item],
    prepare: Callable[[Item], Ready],
    work: Callable[[Iterator[Ready]], Result],
    lanes: int,
) -> list[Result]:
    def prepared(item: Item) -> Ready:
        with torch.inference_mode():
            return prepare(item)

    def lane(number: int) -> Result:
        with torch.inference_mode():
            return work(_ahead(preparing, items[number::lanes], prepared))

    preparing = ThreadPoolExecutor(1, "features", torch.set_num_threads, (1,))
    working = ThreadPoolExecutor(lanes, "decoding", torch.set_num_threads, (1,))
    with preparing, working:
        return [one.result() for one in [working.submit(lane, number) for number in range(lanes)]]


def _ahead(
    preparing: ThreadPoolExecutor, items: Sequence[Item], prepare: Callable[[Item], Ready]
) -> Iterator[Ready]:
    pending: deque[Future[Ready]] = deque()
    for item in items:
        pending.append(preparing.submit(prepare, item))
        if len(pending) > _AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
