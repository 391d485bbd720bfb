"""Run an import as a process that is killed with SIGKILL at one step after another: `python -m ... IMPORT_ID`."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

FILES_AT_ONCE = 2


def kill_at(module: Any, name: str, call: int, *, after: bool = False) -> None:
    """Kill this process when `module.name` is called the `call`-th time: instead of it, or once it is done."""
    real, calls = getattr(module, name), []

    def deadly(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) < call:
            return real(*args, **kwargs)
        if after:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, deadly)


def run_and_die(plan: Callable[[], None], run: Callable[[], Any]) -> None:
    """Do `run` in a forked process that `plan` has doomed; raises AssertionError if it lives."""
    child = os.fork()
    if child == 0:
        plan()
        run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the import ended before it was killed"


def main() -> None:
    django.setup()
    from earmark.corpus import arrivals, ingest, recording, stored
    from tests.corpus.world import Context

    ingest.FILES_AT_ONCE = FILES_AT_ONCE

    def run() -> object:
        return ingest.run_ingest(Context(), import_id=int(sys.argv[1]))

    for plan in (
        lambda: kill_at(stored, "_into_place", 1),
        lambda: kill_at(stored, "_into_place", 2, after=True),
        lambda: kill_at(ingest, "record", 2, after=True),
        lambda: kill_at(arrivals, "pieces_of", 2),
        lambda: kill_at(recording, "_outcome", 2),
    ):
        run_and_die(plan, run)
    run()


if __name__ == "__main__":
    main()
