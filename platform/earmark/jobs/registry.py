"""Which function does which kind of job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from earmark.speech.errors import EarmarkError


class Context(Protocol):
    """What a running job may say and ask."""

    @property
    def job_id(self) -> int: ...

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Report progress; raises Cancelled or LeaseLost when the work must stop."""

    def check(self) -> None:
        """Raise Cancelled or LeaseLost when the work must stop."""


Handler = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    name: str
    queue: str
    run: Handler


_kinds: dict[str, Kind] = {}


def handler(name: str, *, queue: str = "cpu") -> Callable[[Handler], Handler]:
    """Register `run(context, **arguments) -> result` (JSON) as what a job of kind `name` does on `queue`.

    It may be killed at any line and run again from the start, so it looks at what is already done.
    """

    def register(run: Handler) -> Handler:
        _kinds[name] = Kind(name, queue, run)
        return run

    return register


def kind(name: str) -> Kind:
    """The registered kind; raises EarmarkError `jobs:kind:unknown`."""
    if name not in _kinds:
        raise EarmarkError(
            "jobs:kind:unknown",
            f"No handler does jobs of kind {name!r}.",
            f"Known kinds: {', '.join(sorted(_kinds))}.",
        )
    return _kinds[name]
