"""`earmark recut`, `gate`, `retry-import`, `undo-import`: second thoughts about what came in."""

from typing import Any

import click

from earmark.config.commands.session import collection_option, find_collection, follow, platform_command, say
from earmark.speech.errors import EarmarkError

set_option = click.option(
    "--set", "changes", multiple=True, metavar="NAME=NUMBER", help="May be given several times."
)


@click.command()
@set_option
@collection_option
@platform_command
def recut(changes: tuple[str, ...], slug: str | None, as_json: bool) -> None:
    """Cut the recordings of a collection again, as a new generation of clips.

    What is not set has its default: threshold 0.5, shortest_pause 0.4, padding_before and padding_after 0.05,
    shortest 1, longest 30 ... (seconds). Clips that a person is at or that have a text stay as they are; the others
    are kept with what hangs on them, and are current no longer. Recordings whose clips were given stay.
    """
    from earmark.corpus.resegmenting import resegment
    from earmark.speech.segmentation import SegmentationSettings

    settings = SegmentationSettings.from_json(_numbers(changes))
    made, job = resegment(collection=find_collection(slug), settings=settings, by=None)
    finished = follow(job, "cut again", as_json=as_json)
    say({"generation": made.generation, **finished.result, **made.parameters}, as_json=as_json)


@click.command()
@set_option
@click.option("--clear", is_flag=True, help="Go back to the thresholds of the settings.")
@collection_option
@platform_command
def gate(changes: tuple[str, ...], clear: bool, slug: str | None, as_json: bool) -> None:
    """Show the quality gate of a collection, or give it thresholds of its own and judge its clips again.

    Thresholds: least_speech_seconds, most_silence_share, least_loudness_lufs, most_clipped_share, least_snr_db,
    least_bandwidth_hz. What a person overruled stays.
    """
    from dataclasses import asdict

    from earmark.corpus.gate import gate_of, set_thresholds

    collection = find_collection(slug)
    if not changes and not clear:
        say(asdict(gate_of(collection)), as_json=as_json)
        return
    thresholds = ({} if clear else collection.gate) | _numbers(changes)
    job = set_thresholds(collection=collection, thresholds=thresholds, by=None)
    finished = follow(job, "judge", as_json=as_json)
    collection.refresh_from_db()
    say({**asdict(gate_of(collection)), **finished.result}, as_json=as_json)


@click.command("retry-import")
@click.argument("import_id", type=int)
@platform_command
def retry_import(import_id: int, as_json: bool) -> None:
    """Look at the failed files of import IMPORT_ID again."""
    from earmark.corpus.imports import retry_failed

    finished = follow(retry_failed(made=_import(import_id), by=None), "ingest", as_json=as_json)
    say(finished.result, as_json=as_json)


@click.command("undo-import")
@click.argument("import_id", type=int)
@platform_command
def undo_import(import_id: int, as_json: bool) -> None:
    """Take out of its collection what import IMPORT_ID brought in, if nobody's work depends on it."""
    from earmark.corpus.imports import undo

    finished = follow(undo(made=_import(import_id), by=None), "undo", as_json=as_json)
    say(finished.result, as_json=as_json)


def _import(pk: int) -> Any:
    from earmark.corpus.models import Import

    made = Import.objects.select_related("collection").filter(pk=pk).first()
    if made is None:
        hint = "The page Imports, and GET /api/v1/collections/SLUG/imports/, list them."
        raise EarmarkError("corpus:import:unknown", f"There is no import {pk}.", hint)
    return made


def _numbers(changes: tuple[str, ...]) -> dict[str, float]:
    """NAME=NUMBER as a table. Raises click's usage error."""
    found = {}
    for change in changes:
        name, equals, value = change.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise click.BadParameter(f"{change!r} is not NAME=NUMBER.", param_hint="--set")
    return found
