"""Reads: what the rules would do with the clips that may be asked now. One query over the pool."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Count, F, FloatField, Q, Value, When
from django.db.models.functions import Coalesce

from annotation.passes import people_of, rules_of
from annotation.pool import eligible_hypotheses
from annotation.routing import EVERYONE, Asked, Person, Rule, can_take
from annotation.routing_models import Annotator
from earmark.corpus.models import Collection
from earmark.recognition.models import Alias
from earmark.recognition.registry import holder


@dataclass
class Taken:
    """What one rule takes of the pool: clips to be expected, those of them too few people could take, and who could.

    `rule` is None for what no rule fits.
    """

    rule: int | None
    clips: float = 0.0
    too_few: float = 0.0
    people: Counter[int] = field(default_factory=Counter)


def preview(collection: Collection, *, now: datetime) -> list[Taken]:
    """What each active rule, in order, would take of the clips that may be asked, and at the end what none takes.

    A share below one takes that share of what comes to it; the rest goes on to the next rule.
    """
    rules = rules_of(collection)
    people = people_of(collection, now=now)
    found = [Taken(one.key) for one in rules] + [Taken(None)]
    for row in _groups(collection, rules):
        asked = Asked(0, row["clip__language"], row["clip__dialect"], None, 0.0, 0.0)
        left = float(row["clips"])
        for rule, taken in zip([*rules, EVERYONE], found, strict=True):
            if rule is EVERYONE or row[f"rule_{rule.key}"]:
                clips = left * rule.share
                _count(taken, rule, asked, clips, people)
                left -= clips
    return found


def _count(taken: Taken, rule: Rule, asked: Asked, clips: float, people: Sequence[Person]) -> None:
    able = [one.key for one in people if can_take(one, asked, rule)]
    taken.clips += clips
    if people and len(able) < rule.people:
        taken.too_few += clips
    for one in able if clips else ():
        taken.people[one] += round(clips)


def _groups(collection: Collection, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """How many clips of the pool have which language and dialect and fit which rules."""
    champion = holder(collection, Alias.Name.CHAMPION)
    if champion is None:
        return []
    error = Coalesce(F("clip__expected_error_rate"), 1.0 - F("confidence"), output_field=FloatField())
    fits = {
        f"rule_{one.key}": Case(
            When(_condition(one), then=Value(True)), default=Value(False), output_field=BooleanField()
        )
        for one in rules
    }
    rows = (
        eligible_hypotheses(collection, champion)
        .order_by()
        .annotate(error=error)
        .annotate(**fits)
        .values("clip__language", "clip__dialect", *fits)
        .annotate(clips=Count("id"))
    )
    return list(rows)


def _condition(rule: Rule) -> Q:
    found = Q(pk__isnull=False)
    if rule.languages:
        found &= Q(clip__language__in=rule.languages)
    if rule.dialects:
        found &= Q(clip__dialect__in=rule.dialects)
    if rule.least_error is not None:
        found &= Q(error__gte=rule.least_error)
    if rule.most_error is not None:
        found &= Q(error__lte=rule.most_error)
    return found


def names_of(collection: Collection) -> dict[int, str]:
    """The annotators' user names, by annotator."""
    rows = Annotator.objects.filter(collection=collection).order_by("user__username")
    return dict(rows.values_list("pk", "user__username"))
