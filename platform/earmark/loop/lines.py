"""Who was champion before: the line of champions as promotions and roll-backs left it. No database here."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One change of champion, from model id `before` to `model`."""

    before: int
    model: int
    is_back: bool


def line_of(changes: Iterable[Change], champion: int | None) -> list[int]:
    """The champions one may go back through, the first of all first, today's (`champion`) last.

    A roll-back takes the last off, so that a second one goes further back and not forth again. A champion that came
    without a promotion stands where it was found.
    """
    line: list[int] = []
    for one in changes:
        _reach(line, one.before)
        if one.is_back:
            line.pop()
        _reach(line, one.model)
    if champion is not None:
        _reach(line, champion)
    return line


def _reach(line: list[int], model: int) -> None:
    if not line or line[-1] != model:
        line.append(model)
