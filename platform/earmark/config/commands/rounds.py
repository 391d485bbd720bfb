"""`earmark round`, `sync`, `close`."""

import secrets
from typing import TYPE_CHECKING

import click
from django.conf import settings

from earmark.config.commands.session import collection_option, find_collection, follow, platform_command, say
from earmark.speech.errors import EarmarkError

if TYPE_CHECKING:
    from annotation.models import Round


@click.command(name="round")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), required=True, help="Budget of audio."
)
@click.option(
    "--audit", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Share drawn at random."
)
@click.option(
    "--strategy", help="Name of the acquisition strategy, or its dotted path; earmark when not given."
)
@click.option("--seed", type=int, help="Of the random draws; drawn itself when not given.")
@collection_option
@platform_command
def open_round(
    minutes: float, audit: float, strategy: str | None, seed: int | None, slug: str | None, as_json: bool
) -> None:
    """Choose the clips worth a person's time and send them to Label Studio.

    Strategies, by the last word of their paths in the setting ACQUISITION_STRATEGIES: earmark (the default: errors
    worth repairing, of every kind), errors_per_second, least_confidence, entropy, weakest_word, k_centre, k_means,
    typiclust (for a model that knows nothing of this speech), random.
    """
    from annotation.acquisition import DEFAULT_STRATEGY
    from annotation.rounds import request_round

    made, job = request_round(
        collection=find_collection(slug),
        budget_seconds=minutes * 60,
        audit_share=audit,
        strategy=strategy_path(strategy) if strategy else DEFAULT_STRATEGY,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        by=None,
    )
    finished = follow(job, f"round {made.number}", as_json=as_json)
    made.refresh_from_db()
    url = f"{settings.EARMARK.label_studio_public_url}/projects/{made.project_id}/data"
    say({"round": made.number, **finished.result, "label_studio": url}, as_json=as_json)


def strategy_path(name: str) -> str:
    """The dotted path of the strategy of that name in the settings; another name stays, to be refused as it is."""
    return next((path for path in settings.ACQUISITION_STRATEGIES if path.rpartition(".")[2] == name), name)


@click.command()
@click.argument("number", type=int, required=False)
@collection_option
@platform_command
def sync(number: int | None, slug: str | None, as_json: bool) -> None:
    """Fetch what annotators have submitted to round NUMBER (the newest when not given)."""
    from annotation.rounds import start_sync

    row = _find(slug, number)
    finished = follow(start_sync(round=row), f"sync round {row.number}", as_json=as_json)
    say({"round": row.number, **finished.result}, as_json=as_json)


@click.command()
@click.argument("number", type=int, required=False)
@collection_option
@platform_command
def close(number: int | None, slug: str | None, as_json: bool) -> None:
    """Close round NUMBER: what nobody labelled goes back to the pool."""
    from annotation.rounds import close_round

    row = _find(slug, number)
    close_round(round=row, by=None)
    say({"round": row.number, "status": "closed"}, as_json=as_json)


@click.command(name="repair-round")
@click.argument("number", type=int, required=False)
@collection_option
@platform_command
def repair_round(number: int | None, slug: str | None, as_json: bool) -> None:
    """Put the Label Studio project of round NUMBER right from what is known here.

    A deleted project or task is made again, addresses, queues, label configuration and webhook are put back. What was
    answered stays.
    """
    from annotation.rounds import start_repair

    row = _find(slug, number)
    finished = follow(start_repair(round=row), f"repair round {row.number}", as_json=as_json)
    say({"round": row.number, **finished.result}, as_json=as_json)


def _find(slug: str | None, number: int | None) -> "Round":
    collection = find_collection(slug)
    rounds = collection.rounds.all()
    row = rounds.first() if number is None else rounds.filter(number=number).first()
    if row is None:
        raise EarmarkError(
            "annotation:round:unknown",
            f"Collection {collection.slug} has no round {number if number is not None else 'yet'}.",
            "Open one with `earmark round --minutes 10`.",
        )
    return row
