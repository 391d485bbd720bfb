"""Work in lanes."""

import threading
from collections.abc import Iterator

import pytest
import torch

from earmark.speech.overlapped import in_lanes


def test_each_lane_gets_its_items_in_order_whatever_the_threads_do() -> None:
    found = in_lanes(list(range(7)), lambda item: item * 10, list, lanes=2)
    assert found == [[0, 20, 40, 60], [10, 30, 50]]


def test_work_is_done_in_inference_mode_by_threads_of_one_core_each() -> None:
    before = torch.get_num_threads()

    def work(items: Iterator[int]) -> list[tuple[int, bool]]:
        return [(torch.get_num_threads(), torch.is_inference_mode_enabled()) for _ in items]

    found = in_lanes([1, 2, 3], lambda item: item, work, lanes=3)
    assert found == [[(1, True)]] * 3
    assert torch.get_num_threads() == before


def test_preparing_goes_on_while_the_work_is_done() -> None:
    ready = threading.Event()

    def prepare(item: int) -> int:
        if item == 1:
            ready.set()
        return item

    def work(items: Iterator[int]) -> list[int]:
        found = [next(items)]
        assert ready.wait(5)
        return found + list(items)

    assert in_lanes([0, 1, 2], prepare, work, lanes=1) == [[0, 1, 2]]


@pytest.mark.parametrize("where", ["prepare", "work"])
def test_an_error_is_raised(where: str) -> None:
    def fail(_item: object) -> None:
        raise ValueError(where)

    def prepare(item: int) -> int:
        if where == "prepare":
            fail(item)
        return item

    with pytest.raises(ValueError, match=where):
        in_lanes([1, 2, 3], prepare, fail if where == "work" else list, lanes=2)
