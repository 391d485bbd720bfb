"""`earmark transcribe`, `snapshot`, `evaluate`, `export`."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.config.commands.models import find_model
from earmark.config.commands.session import collection_option, find_collection, follow, platform_command, say
from earmark.speech.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.datasets.models import Snapshot


@click.command()
@click.option(
    "--only", type=click.Choice(["pool", "unlabelled", "test", "all"]), default="pool", show_default=True
)
@click.option("--model", help="Name of the model that hears; the champion otherwise.")
@click.option("--language", default="", help="Clips of this language alone: zh, yue, en ...")
@click.option("--dialect", default="", help="Clips of this dialect alone.")
@click.option("--recording", type=int, help="Clips of the recording with this id alone.")
@click.option("--urgent", is_flag=True, help="Before every other run: somebody waits.")
@click.option("--wait/--no-wait", default=True, help="Stay until the run has ended, or only ask for it.")
@collection_option
@platform_command
def transcribe(
    only: str, model: str | None, urgent: bool, wait: bool, slug: str | None, as_json: bool, **narrowed: Any
) -> None:
    """Let a model hear the clips it has not heard yet.

    The run is cut into parts that all workers share; the bar shows them together, in seconds of audio. Asked for again
    while it runs, it goes on with what has come in meanwhile. Ctrl-C ends the watching, not the run.
    """
    from earmark.recognition.run_models import TranscriptionRun
    from earmark.recognition.runs import submit_transcription, told_of

    job = submit_transcription(
        collection=find_collection(slug),
        model=find_model(model) if model else None,
        only=only,
        narrowed=narrowed,
        is_urgent=urgent,
        by=None,
    )
    if wait:
        follow(job, "transcribe", as_json=as_json)
    say(told_of(TranscriptionRun.objects.get(job=job)), as_json=as_json)


@click.command()
@click.option("--test", is_flag=True, help="Freeze the test set instead: once, for good.")
@collection_option
@platform_command
def snapshot(test: bool, slug: str | None, as_json: bool) -> None:
    """Freeze clips, references and splits as they are now."""
    from earmark.datasets.snapshots import freeze_test_set, take_snapshot

    take = freeze_test_set if test else take_snapshot
    row = take(collection=find_collection(slug), by=None)
    say({"snapshot": row.pk, "digest": row.digest, **row.counts}, as_json=as_json)


@click.command()
@click.argument("model")
@collection_option
@platform_command
def evaluate(model: str, slug: str | None, as_json: bool) -> None:
    """Score MODEL on the frozen test set."""
    from earmark.datasets.snapshots import test_set
    from training_jobs.services import request_evaluation

    collection = find_collection(slug)
    frozen = test_set(collection)
    if frozen is None:
        raise EarmarkError(
            "evaluation:test-set:missing",
            f"Collection {collection.slug} has no frozen test set.",
            "Freeze it with `earmark snapshot --test`.",
        )
    job = request_evaluation(model=find_model(model), snapshot=frozen)
    say(follow(job, "evaluate", as_json=as_json).result, as_json=as_json)


@click.command()
@click.option(
    "--snapshot", "digest", help="First characters of its digest; the newest training snapshot otherwise."
)
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "audiofolder"]), default="jsonl", show_default=True
)
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="File to write.")
@collection_option
@platform_command
def export(digest: str | None, form: str, target: Path, slug: str | None, as_json: bool) -> None:
    """Write a snapshot's labelled set to a file."""
    from earmark.datasets.exports import request_export

    row = request_export(snapshot=training_snapshot(slug, digest), format=form, by=None)
    if row.job is None:
        raise EarmarkError("datasets:export:missing", f"Export {row.pk} has no job.", "Ask for it again.")
    follow(row.job, f"export {form}", as_json=as_json)
    row.refresh_from_db()
    with row.file.open("rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    say({"export": row.pk, "file": str(target), "bytes": target.stat().st_size}, as_json=as_json)


def training_snapshot(slug: str | None, digest: str | None) -> "Snapshot":
    """The newest training snapshot whose digest begins so. Raises EarmarkError `datasets:snapshot:unknown`."""
    collection = find_collection(slug)
    found = collection.snapshots.filter(purpose="training", digest__startswith=digest or "").first()
    if found is None:
        raise EarmarkError(
            "datasets:snapshot:unknown",
            f"Collection {collection.slug} has no training snapshot {digest or 'yet'}.",
            "Take one with `earmark snapshot`.",
        )
    return found
