"""`earmark policy`: what the loop does by itself."""

import json
from typing import Any

import click

from earmark.config.commands.session import collection_option, find_collection, platform_command, say

WORDS = {"on": True, "yes": True, "off": False, "no": False}


@click.group()
def policy() -> None:
    """See and change what a collection's loop does by itself. Everything is off until it is switched on."""


@policy.command()
@collection_option
@platform_command
def show(slug: str | None, as_json: bool) -> None:
    """What is switched on, and what it waits for."""
    from earmark.loop.policies import policy_of

    _say(policy_of(find_collection(slug)), as_json=as_json)


@policy.command("set")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE...")
@collection_option
@platform_command
def change(pairs: tuple[str, ...], slug: str | None, as_json: bool) -> None:
    """Change settings: train=on train_minutes=30 promote=on.

    Switches: train, promote, transcribe, open_rounds, stop. Numbers: train_minutes, round_minutes, monthly_minutes (of
    audio), audit_share, stop_gain (points of error rate an hour of labels must win), stop_rounds. Texts: recipe,
    strategy. overrides takes a JSON object.
    """
    from earmark.loop.policies import set_policy

    _say(
        set_policy(collection=find_collection(slug), changes=dict(map(_pair, pairs)), by=None),
        as_json=as_json,
    )


@policy.command("off")
@collection_option
@platform_command
def switch_off(slug: str | None, as_json: bool) -> None:
    """Switch everything off; thresholds stay as they are."""
    from earmark.loop.policies import SWITCHES, set_policy

    off = dict.fromkeys(SWITCHES, False)
    _say(set_policy(collection=find_collection(slug), changes=off, by=None), as_json=as_json)


@policy.command()
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@collection_option
@platform_command
def history(last: int, slug: str | None, as_json: bool) -> None:
    """What the loop did by itself, newest first."""
    from earmark.loop.models import PolicyAct
    from earmark.loop.telling import act_in_words

    rows = PolicyAct.objects.filter(collection=find_collection(slug))[:last]
    if as_json:
        acts = [{"at": row.at, "act": row.act, **row.details, "told": act_in_words(row)} for row in rows]
        say({"acts": acts}, as_json=True)
        return
    for row in rows:
        click.echo(f"{row.at:%Y-%m-%d %H:%M}  {act_in_words(row)}")


def _pair(pair: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="NAME=VALUE")
    if value.lower() in WORDS:
        return name, WORDS[value.lower()]
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _say(row: Any, *, as_json: bool) -> None:
    from earmark.loop.policies import settings_of
    from earmark.loop.telling import standing_in_words
    from earmark.loop.turning import standing

    waits = standing_in_words(standing(row.collection))
    told: dict[str, Any] = settings_of(row)
    if as_json:
        say({**told, "standing": waits}, as_json=True)
    else:
        say({**told, **{f"{name}:": text for name, text in waits.items()}}, as_json=False)
