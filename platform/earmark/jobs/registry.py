"""Which function does which kind of job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from earmark.speech.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.jobs.models import Job


class Context(Protocol):
    """What a running job may say and ask."""

    @property
    def job_id(self) -> int: ...

    @property
    def attempt(self) -> int:
        """Which attempt at the job this is, counted from 1."""
        ...

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Report progress; raises Cancelled or LeaseLost when the work must stop."""

    def check(self) -> None:
        """Raise Cancelled or LeaseLost when the work must stop."""


class Later(Exception):
    """Raised by a handler whose work goes on elsewhere: run it again after so many seconds, or when it is woken."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


Handler = Callable[..., dict[str, Any]]


def _nothing(**_arguments: Any) -> None:
    """What most kinds do when a job is cancelled."""


@dataclass(frozen=True)
class Kind:
    name: str
    queue: str
    run: Handler
    cancelled: Callable[..., None] = _nothing
    is_urgent: bool = False
    cancel: "Callable[[Job], None] | None" = None


_kinds: dict[str, Kind] = {}


def handler(
    name: str,
    *,
    queue: str = "cpu",
    cancelled: Callable[..., None] = _nothing,
    is_urgent: bool = False,
    cancel: "Callable[[Job], None] | None" = None,
) -> Callable[[Handler], Handler]:
    """Register `run(context, **arguments) -> result` (JSON) as what a job of kind `name` does on `queue`.

    It may be killed at any line and run again from the start, so it looks at what is already done. `cancelled` gets
    the arguments of a job that has been cancelled. Somebody waits for a job that is urgent: long work on the same
    queue lets it go first. `cancel` is for a kind that sees to its own end: it is called instead of ending a job that
    nobody holds, and `run` is called though cancelling was asked for, until it raises Cancelled itself.
    """

    def register(run: Handler) -> Handler:
        _kinds[name] = Kind(name, queue, run, cancelled, is_urgent, cancel)
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


def urgent_kinds() -> tuple[str, ...]:
    """The names of the kinds somebody waits for."""
    return tuple(one.name for one in _kinds.values() if one.is_urgent)
