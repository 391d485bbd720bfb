"""What every command that talks to the platform shares: Django, the collection, output for people or as JSON."""

import json
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click
import django
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from earmark.speech.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.corpus.models import Collection
    from earmark.jobs.models import Job

console = Console()


def platform_command(run: Callable[..., Any]) -> Callable[..., Any]:
    """A command that works on the platform: sets Django up before it runs and adds `--json`."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        django.setup()
        return run(*args, **kwargs)

    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(
        update_wrapper(wrapped, run)
    )


collection_option = click.option(
    "-c", "--collection", "slug", envvar="EARMARK_COLLECTION", help="Short name of the collection."
)


def find_collection(slug: str | None) -> "Collection":
    """The collection of that short name, or the only one there is.

    Raises EarmarkError `corpus:collection:unknown` or `corpus:collection:unnamed`.
    """
    from earmark.corpus.models import Collection

    names = list(Collection.objects.values_list("slug", flat=True)[:20])
    if slug is None and len(names) == 1:
        slug = names[0]
    if slug is None:
        raise EarmarkError(
            "corpus:collection:unnamed",
            f"There are {len(names)} collections.",
            f"Name one with --collection: {', '.join(names) or 'none yet; `earmark ingest` makes one'}.",
        )
    found = Collection.objects.filter(slug=slug).first()
    if found is None:
        raise EarmarkError(
            "corpus:collection:unknown",
            f"There is no collection {slug!r}.",
            f"Choose one of: {', '.join(names) or 'none yet; `earmark ingest` makes one'}.",
        )
    return found


def say(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print `facts` as one JSON object, or a line each."""
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, default=str))
        return
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {value}")


def progress_bar() -> Progress:
    """A bar for one stage; its tasks have a `note`."""
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=console,
    )


def follow(job: "Job", title: str, *, as_json: bool = False) -> "Job":
    """Wait for `job` behind a progress bar (none with JSON); raises the job's own EarmarkError if it failed.

    Ctrl-C stops the watching, not the job.
    """
    from earmark.jobs.services import wait

    if as_json:
        return wait(job)
    with progress_bar() as bar:
        task = bar.add_task(title, total=None, note="")
        finished = wait(
            job,
            watch=lambda row: bar.update(task, completed=row.done, total=row.total or None, note=row.note),
        )
        bar.update(task, completed=finished.total or 1, total=finished.total or 1, note="")
    return finished
