"""`earmark promote`, `roll-back`, `champions`: who transcribes a collection, and why."""

from typing import TYPE_CHECKING, Any

import click

from earmark.config.commands.models import find_model
from earmark.config.commands.session import collection_option, find_collection, platform_command, say

if TYPE_CHECKING:
    from earmark.loop.models import Promotion


@click.command()
@click.argument("model")
@click.option("--reason", help="Promote whatever the test set says, for this reason; it is kept and shown.")
@collection_option
@platform_command
def promote(model: str, reason: str | None, slug: str | None, as_json: bool) -> None:
    """Make MODEL the collection's champion if it is better than the one there is.

    Both are judged clip by clip on the frozen test set: the 95 % interval of the difference must lie wholly on the
    better side, and no language or dialect may be significantly worse. A model that is not better stays as challenger.
    """
    from earmark.loop.promotion import promote_for_reason, promote_if_better

    collection, found = find_collection(slug), find_model(model)
    if reason is None:
        row = promote_if_better(collection=collection, model=found, by=None)
    else:
        row = promote_for_reason(collection=collection, model=found, reason=reason, by=None)
    say(_told(row, whole=as_json), as_json=as_json)


@click.command("roll-back")
@click.option("--reason", default="", help="Why; kept and shown.")
@collection_option
@platform_command
def roll_back(reason: str, slug: str | None, as_json: bool) -> None:
    """Make the champion before this one champion again; a second time goes one further back."""
    from earmark.loop import promotion

    row = promotion.roll_back(collection=find_collection(slug), by=None, reason=reason)
    say(_told(row, whole=as_json), as_json=as_json)


@click.command()
@collection_option
@platform_command
def champions(slug: str | None, as_json: bool) -> None:
    """Every model that was judged or promoted, the newest first: what was found, why, who."""
    from earmark.loop.models import Promotion

    rows = Promotion.objects.filter(collection=find_collection(slug))
    told = [_told(row, whole=as_json) for row in rows.select_related("model", "before", "by")]
    if as_json:
        say({"promotions": told}, as_json=True)
        return
    for one in told:
        click.echo(f"{one['at']:%Y-%m-%d %H:%M}  {one['model']}  {one['outcome']}  {one['by']}  {one['why']}")


def _told(row: "Promotion", *, whole: bool) -> dict[str, Any]:
    from earmark.loop.saying import said

    told: dict[str, Any] = {
        "model": row.model.name,
        "before": row.before.name,
        "outcome": str(row.outcome),
        "champion": row.model.name if row.is_change else row.before.name,
        "why": said(row),
        "by": row.by.username if row.by else "policy" if row.is_automatic else "command line",
        "at": row.at,
    }
    return told | {"verdict": row.verdict} if whole else told
