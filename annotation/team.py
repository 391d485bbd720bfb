"""Writes: who labels in a collection, and by which rules clips are given out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from annotation.rerouting import start_rerouting
from annotation.routing_models import Annotator, RoutingRule
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.accounts.services import audit
from earmark.corpus.access import role_of
from earmark.corpus.models import Collection
from earmark.speech.errors import EarmarkError

ANNOTATOR_FIELDS = (
    "languages", "dialects", "daily_seconds", "is_active", "away_from", "away_until", "studio_email",
)  # fmt: skip
RULE_FIELDS = (
    "name", "is_active", "languages", "dialects", "least_error", "most_error", "share", "people", "is_blind",
)  # fmt: skip
MOST_RULES = 50


@transaction.atomic
def set_annotator(*, collection: Collection, user: User, by: User | None, **fields: Any) -> Annotator:
    """Note what somebody understands, how much a day and when they are away; what is not named stays.

    Passes that wait in open rounds are given out anew. Raises EarmarkError `annotation:annotator:not-a-member`,
    `annotation:annotator:settings`.
    """
    role = role_of(user, collection)
    if role is None or not role.covers(Role.ANNOTATOR):
        raise EarmarkError(
            "annotation:annotator:not-a-member",
            f"{user.username} is no annotator of {collection}.",
            "Give them a role there first: annotator or above.",
        )
    row = Annotator.objects.filter(collection=collection, user=user).first()
    row = row or Annotator(collection=collection, user=user)
    for name, value in fields.items():
        if name not in ANNOTATOR_FIELDS:
            raise _no_setting(f"annotators have no {name!r}", ", ".join(ANNOTATOR_FIELDS))
        setattr(row, name, value)
    if not (math.isfinite(row.daily_seconds) and row.daily_seconds >= 0):
        raise _no_setting(f"{row.daily_seconds} is no daily target", "seconds of audio from 0 on")
    if row.away_from and row.away_until and row.away_until < row.away_from:
        raise _no_setting(f"{row.away_until} is before {row.away_from}", "a last day away after the first")
    row.save()
    told = {name: str(value) for name, value in fields.items()}
    audit(by, "set annotator", collection.scope, person=user.username, **told)
    start_rerouting(collection=collection)
    return row


def _no_setting(what: str, instead: str) -> EarmarkError:
    return EarmarkError("annotation:annotator:settings", f"{what[0].upper()}{what[1:]}.", f"Give {instead}.")


@transaction.atomic
def set_rules(*, collection: Collection, rules: Sequence[Mapping[str, Any]], by: User | None) -> None:
    """Put `rules`, in their order, in the place of those there are.

    Each has RULE_FIELDS, those with defaults left out at will, `annotators` (ids, everyone when empty), and the `id` of
    the rule it changes, so that what it has drawn stays drawn. Passes that wait in open rounds are given out anew.
    Raises EarmarkError `annotation:rule:settings`.
    """
    if len(rules) > MOST_RULES:
        raise _no_rule(f"there are {len(rules)} rules", f"at most {MOST_RULES}")
    Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
    known = {one.pk: one for one in RoutingRule.objects.filter(collection=collection)}
    people = set(Annotator.objects.filter(collection=collection).values_list("pk", flat=True))
    kept = []
    for position, told in enumerate(rules):
        given = dict(told)
        named, pk = set(given.pop("annotators", ())), given.pop("id", None)
        if pk is not None and pk not in known:
            raise _no_rule(f"rule {pk} is none of {collection}", "the id of one that is there, or none")
        if not named <= people:
            raise _no_rule(
                f"{sorted(named - people)[0]} is no annotator of {collection}", "ids of annotators"
            )
        row = known.pop(pk) if pk is not None else RoutingRule(collection=collection)
        _fill(row, given, position)
        row.save()
        row.annotators.set(named)
        kept.append(row.pk)
    RoutingRule.objects.filter(collection=collection).exclude(pk__in=kept).delete()
    audit(by, "set routing rules", collection.scope, rules=len(rules))
    start_rerouting(collection=collection)


def _fill(row: RoutingRule, given: Mapping[str, Any], position: int) -> None:
    for name, value in given.items():
        if name not in RULE_FIELDS:
            raise _no_rule(f"rules have no {name!r}", ", ".join(RULE_FIELDS))
        setattr(row, name, value)
    row.position = position
    if not row.name.strip():
        raise _no_rule("a rule has no name", "each a name")
    if not 0 < row.share <= 1:
        raise _no_rule(f"{row.share} is no share", "a number above 0, at most 1")
    if not 1 <= row.people <= 9:
        raise _no_rule(f"{row.people} people cannot be asked", "1 to 9")
    bounds = [each for each in (row.least_error, row.most_error) if each is not None]
    if not all(math.isfinite(each) for each in bounds) or bounds != sorted(bounds):
        raise _no_rule("the bounds of the error rate are the wrong way round", "the lower one first")


def _no_rule(what: str, instead: str) -> EarmarkError:
    return EarmarkError("annotation:rule:settings", f"{what[0].upper()}{what[1:]}.", f"Give {instead}.")
