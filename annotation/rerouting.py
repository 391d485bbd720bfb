"""Writes: give passes that wait to somebody else when people or rules have changed."""

from collections.abc import Collection as Some
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.label_studio import LabelStudio, patiently
from annotation.models import Round, RoundClip
from annotation.passes import asked_of, labellers, people_of, place_of, routing_of, rules_of
from annotation.publishing import publish
from annotation.rounds import pause
from annotation.routing import Asked, Given, route
from annotation.routing_models import Annotator, Pass
from earmark.corpus.models import Collection
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit

REROUTE = "annotation.reroute"
LOOKED_AT = 1000
"""Clips looked at to see whether somebody could take what nobody could."""


@dataclass
class Rerouted:
    """What was done: passes that are somebody else's now, added, taken away; and how many nobody can take."""

    moved: int = 0
    added: int = 0
    removed: int = 0
    stuck: int = 0


def start_rerouting(*, collection: Collection) -> list[Job]:
    """Submit the rerouting of every open round of the collection; those under way begin again after this."""
    return [
        submit(
            REROUTE,
            scope=collection.scope,
            key=f"reroute:{row.pk}:{timezone.now().isoformat()}",
            round_id=row.pk,
        )
        for row in Round.objects.filter(collection=collection, status=Round.Status.OPEN)
    ]


def reroute_round(context: Context, *, round_id: int) -> dict[str, Any]:
    """Give out anew what nobody has begun, and tell Label Studio. The work of the job `annotation.reroute`."""
    row = Round.objects.select_related("collection", "model", "shown_model").get(pk=round_id)
    if row.status != Round.Status.OPEN:
        return {}

    def work(studio: LabelStudio) -> dict[str, int]:
        begun = studio.begun_tasks(row.project_id) if row.project_id is not None else set()
        done = reroute(row, begun=begun, now=timezone.now())
        return {**asdict(done), **publish(row, context, studio)}

    return patiently(work, wait=partial(pause, context))


@transaction.atomic
def reroute(row: Round, *, begun: Some[int], now: datetime) -> Rerouted:
    """Give out what waits by the rules and people of now.

    `begun` are ids of tasks somebody has a draft of: those stay with who has them, as does what a reviewer returned.
    Everyone keeps what they still can take. How many people a clip is asked of changes only while nobody has begun or
    answered it; a pass that was blind stays so.
    """
    Round.objects.select_for_update(no_key=True).get(pk=row.pk)
    clips = row.clips.filter(
        outcome__in=(RoundClip.Outcome.WAITING, RoundClip.Outcome.ADJUDICATE),
        passes__status=Pass.Status.WAITING,
    )
    found = list(
        clips.distinct()
        .select_related("clip", "hypothesis")
        .prefetch_related("passes", "annotations")
        .order_by("pk")
    )
    addresses = {one.address: one.pk for one in _annotators(row.collection)}
    movable = {one.pk: _movable(one, begun) for one in found}
    asked = [_asked(one, movable[one.pk], addresses) for one in found]
    people = people_of(row.collection, now=now, but=[one for each in movable.values() for one in each])
    given: dict[int, list[Given]] = {}
    for one in route(asked, rules_of(row.collection), people, seed=row.seed):
        given.setdefault(one.clip, []).append(one)
    done = Rerouted()
    for place in found:
        _apply(place, movable[place.pk], given.get(place.clip_id, []), done, has_people=bool(people))
    done.stuck = row.passes.filter(status=Pass.Status.WAITING, routing=Pass.Routing.STUCK).count()
    return done


def _annotators(collection: Collection) -> QuerySet[Annotator]:
    return Annotator.objects.filter(collection=collection).select_related("user")


def _movable(one: RoundClip, begun: Some[int]) -> list[Pass]:
    """The passes that may go to somebody else."""
    return [
        each
        for each in one.passes.all()
        if each.status == Pass.Status.WAITING and each.returned_at is None and each.task_id not in begun
    ]


def _is_untouched(one: RoundClip, movable: Some[Pass]) -> bool:
    is_whole = len(movable) == len(one.passes.all()) and not one.annotations.all()
    return is_whole and one.reason != RoundClip.Reason.KNOWN


def _asked(one: RoundClip, movable: list[Pass], addresses: dict[str, int]) -> Asked:
    """The clip as the rules see it: all its passes where it is untouched, else those that may move."""
    numbers = None if _is_untouched(one, movable) else tuple(sorted(each.number for each in movable))
    answered = {addresses.get(each.annotator) for each in one.annotations.all()}
    fixed = {each.annotator_id for each in one.passes.all() if each not in movable}
    return asked_of(
        one,
        min((each.place for each in one.passes.all()), default=0.0),
        numbers=numbers,
        barred=frozenset(person for person in answered | fixed if person is not None),
        held={each.number: each.annotator_id for each in movable if each.annotator_id is not None},
    )


def _apply(
    one: RoundClip, movable: list[Pass], given: Iterable[Given], done: Rerouted, *, has_people: bool
) -> None:
    """Write how one clip is given out now."""
    wanted = {each.number: each for each in given}
    changed = []
    for each in movable:
        told = wanted.pop(each.number, None)
        if told is None:
            each.delete()
            done.removed += 1
            continue
        before = (each.routing, each.annotator_id, each.stuck_because)
        for name, value in routing_of(told, has_people=has_people).items():
            setattr(each, name, value)
        if (each.routing, each.annotator_id, each.stuck_because) != before:
            done.moved += each.annotator_id != before[1]
            changed.append(each)
    # nobody may have two passes of a clip, not even between two writes
    Pass.objects.filter(pk__in=[each.pk for each in changed]).update(annotator=None)
    Pass.objects.bulk_update(changed, ["routing", "annotator", "stuck_because"])
    base = min((each.place for each in one.passes.all()), default=0.0)
    for told in wanted.values():
        Pass.objects.create(
            round_id=one.round_id,
            round_clip=one,
            number=told.number,
            is_blind=told.is_blind,
            place=place_of(base, told, has_people=has_people),
            **routing_of(told, has_people=has_people),
        )
        done.added += 1
    most = max((each.number for each in given), default=one.wanted)
    if _is_untouched(one, movable) and one.wanted != most:
        RoundClip.objects.filter(pk=one.pk).update(wanted=most)


def reroute_where_due(*, now: datetime) -> list[Job]:
    """One job for each open round in which something waits that could be with somebody else."""
    rounds = Round.objects.filter(status=Round.Status.OPEN).select_related("collection")
    today = now.date()
    return [
        submit(REROUTE, scope=row.collection.scope, key=f"reroute:{row.pk}", round_id=row.pk)
        for row in rounds
        if is_due(row, today=today)
    ]


def is_due(row: Round, *, today: date) -> bool:
    """Whether a pass nobody has answered waits for someone who is away or not active, or is stuck and need not be."""
    waiting = row.passes.filter(status=Pass.Status.WAITING, returned_at=None)
    people = {one.pk: one for one in labellers(row.collection)}
    holders = (
        waiting.filter(annotator__isnull=False).order_by().values_list("annotator", flat=True).distinct()
    )
    here = {pk for pk, one in people.items() if one.is_here(today)}
    if not here.issuperset(holders) and here:
        return True
    away = waiting.filter(routing=Pass.Routing.STUCK, stuck_because=Pass.Because.AWAY)
    return bool(here) and away.exists() and reroutable(row, away, now=datetime.combine(today, time(), UTC))


def reroutable(row: Round, waiting: QuerySet[Pass], *, now: datetime) -> bool:
    """Whether somebody could take one of the passes now."""
    rules, people = rules_of(row.collection), people_of(row.collection, now=now)
    places = row.clips.filter(passes__in=waiting).distinct().select_related("clip", "hypothesis")
    asked = [asked_of(one, 0.0, numbers=(1,)) for one in places[:LOOKED_AT]]
    return any(one.person is not None for one in route(asked, rules, people, seed=row.seed))
