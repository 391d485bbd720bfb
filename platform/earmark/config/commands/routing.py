"""`earmark annotators`, `routing`."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from earmark.config.commands.session import collection_option, find_collection, platform_command, say
from earmark.speech.errors import EarmarkError

DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("username", required=False)
@click.option("--languages", help="With commas between; every one when empty.")
@click.option("--dialects", help="With commas between; every one when empty.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Daily target, of audio.")
@click.option("--active/--not-active", "is_active", default=None, help="Whether they get anything at all.")
@click.option("--away-from", type=DAY, help="First day away.")
@click.option("--away-until", type=DAY, help="Last day away.")
@click.option("--address", help="By which Label Studio knows them.")
@collection_option
@platform_command
def annotators(username: str | None, slug: str | None, as_json: bool, **given: Any) -> None:
    """List who labels; with USERNAME, note what they understand, how much a day, when they are away."""
    from annotation.routing_models import Annotator
    from annotation.team import set_annotator
    from earmark.accounts.models import User

    collection = find_collection(slug)
    if username is not None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise EarmarkError(
                "accounts:person:unknown",
                f"There is no person {username!r}.",
                "Make them with `earmark member`.",
            )
        set_annotator(collection=collection, user=user, by=None, **_fields(given))
    found = Annotator.objects.filter(collection=collection).select_related("user")
    say({one.user.username: _told(one) for one in found}, as_json=as_json)


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """What was named, as `set_annotator` takes it."""
    told: dict[str, Any] = {}
    for name in ("languages", "dialects"):
        if given[name] is not None:
            told[name] = [part.strip() for part in given[name].split(",") if part.strip()]
    for name in ("away_from", "away_until"):
        if isinstance(given[name], datetime):
            told[name] = given[name].date()
    if given["minutes"] is not None:
        told["daily_seconds"] = given["minutes"] * 60
    if given["is_active"] is not None:
        told["is_active"] = given["is_active"]
    if given["address"] is not None:
        told["studio_email"] = given["address"]
    return told


def _told(one: Any) -> dict[str, Any]:
    return {
        "languages": one.languages,
        "dialects": one.dialects,
        "daily_minutes": one.daily_seconds / 60,
        "is_active": one.is_active,
        "away_from": one.away_from and one.away_from.isoformat(),
        "away_until": one.away_until and one.away_until.isoformat(),
        "address": one.address,
    }


@click.command()
@collection_option
@platform_command
def routing(slug: str | None, as_json: bool) -> None:
    """Show the rules by which clips are given out, and what each would take of those that may be asked now."""
    from django.utils import timezone

    from annotation.routing_models import RoutingRule
    from annotation.routing_preview import names_of, preview

    collection = find_collection(slug)
    rules = dict(RoutingRule.objects.filter(collection=collection).values_list("pk", "name"))
    names = names_of(collection)
    told = {}
    for one in preview(collection, now=timezone.now()):
        row = asdict(one)
        row["people"] = {names[pk]: clips for pk, clips in one.people.items()}
        told[rules[row.pop("rule")] if one.rule else "everything else"] = row
    say(told, as_json=as_json)
