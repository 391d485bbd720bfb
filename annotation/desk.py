"""Reads: one person's desk: what they did today, what waits for them. A bounded number of rows each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.lookups import IsNull
from django.utils import timezone

from annotation.models import Annotation, Round
from annotation.queries import project_url
from annotation.routing_models import Annotator, Pass
from annotation.transcribing import address_of, annotator_of
from earmark.accounts.models import User
from earmark.corpus.models import Collection

PAGE = 20
COUNTED = 1000
"""Waiting passes are counted up to here: beyond, only that there are more matters."""


@dataclass(frozen=True)
class Today:
    """What one person did today (UTC): clips and seconds of audio, once each however often they were edited."""

    clips: int
    seconds: float
    target_seconds: float | None

    @property
    def share(self) -> float:
        """Of the target, 0 to 1; 0 where there is none."""
        return min(1.0, self.seconds / self.target_seconds) if self.target_seconds else 0.0

    @property
    def left_seconds(self) -> float:
        """What is left of the target, 0 once it is reached."""
        return max(0.0, (self.target_seconds or 0.0) - self.seconds)

    @property
    def is_reached(self) -> bool:
        return bool(self.target_seconds) and self.seconds >= (self.target_seconds or 0.0)


@dataclass(frozen=True)
class Waiting:
    """What waits for one person: the first passes, how many there are (at most COUNTED + 1), seconds of audio."""

    passes: Sequence[Pass]
    number: int
    seconds: float

    @property
    def is_more(self) -> bool:
        return self.number > COUNTED


@dataclass(frozen=True)
class Desk:
    """One person's desk in a collection."""

    annotator: Annotator | None
    today: Today
    returned: Sequence[Pass]
    waiting: Waiting

    @property
    def is_away(self) -> bool:
        """Whether they are entered as away today."""
        one, day = self.annotator, timezone.localdate()
        if one is None or one.away_from is None or day < one.away_from:
            return False
        return one.away_until is None or day <= one.away_until


def desk_of(collection: Collection, person: User) -> Desk:
    """Everything the desk shows; a fixed number of queries."""
    annotator = annotator_of(collection, person)
    return Desk(
        annotator=annotator,
        today=done_today(collection, person, annotator),
        returned=list(_told(_waiting(collection, annotator).filter(returned_at__isnull=False))[:PAGE]),
        waiting=_all_waiting(collection, person, annotator),
    )


def done_today(collection: Collection, person: User, annotator: Annotator | None) -> Today:
    """What `person` submitted since midnight UTC, here or in Label Studio; what was deleted later was work, too."""
    own = Annotation.objects.filter(
        created_at__gte=midnight(timezone.now()),
        annotator=address_of(person, annotator),
        round_clip__round__collection=collection,
    )
    done = own.aggregate(
        clips=Count("round_clip", distinct=True),
        seconds=Sum("round_clip__clip__seconds", default=0.0),
    )
    return Today(**done, target_seconds=annotator.daily_seconds if annotator else None)


def midnight(moment: datetime) -> datetime:
    """The beginning of the day (UTC) of `moment`."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def waiting_number(collection: Collection, person: User) -> int:
    """How many passes are assigned to the person and wait, at most COUNTED + 1."""
    return _waiting(collection, annotator_of(collection, person))[: COUNTED + 1].count()


def passes_for(
    collection: Collection,
    person: User,
    annotator: Annotator | None,
    *,
    skip: Sequence[int] = (),
    limit: int = PAGE,
) -> list[Pass]:
    """The first `limit` passes to take, what was returned first, then in the order of the queue, own and anyone's.

    Each of the two is read off the head of an index, so that it costs the same however long the queue is.
    """
    own = _told(_waiting(collection, annotator).exclude(pk__in=skip))
    anyones = _told(_anyones(collection, person, annotator).exclude(pk__in=skip))
    found: Iterator[Pass] = merge(own[:limit], anyones[:limit], key=_turn)
    return list(islice(found, limit))


def open_rounds(collection: Collection) -> list[tuple[Round, str | None]]:
    """Open rounds, newest first, with where people label them in Label Studio."""
    rows = Round.objects.filter(collection=collection, status=Round.Status.OPEN)
    return [(row, project_url(row)) for row in rows]


def _turn(one: Pass) -> tuple[bool, float, int]:
    return (one.returned_at is None, one.place, one.pk)


def _waiting(collection: Collection, annotator: Annotator | None) -> QuerySet[Pass]:
    if annotator is None:
        return Pass.objects.none()
    return Pass.objects.filter(
        annotator=annotator, status=Pass.Status.WAITING, round__status=Round.Status.OPEN
    )


def _anyones(collection: Collection, person: User, annotator: Annotator | None) -> QuerySet[Pass]:
    """Passes anyone may take, of clips the person has not answered and is not asked about otherwise."""
    rounds = Round.objects.filter(collection=collection, status=Round.Status.OPEN).values_list(
        "pk", flat=True
    )
    free = Pass.objects.filter(
        round__in=list(rounds), status=Pass.Status.WAITING, routing=Pass.Routing.OPEN, annotator=None
    )
    answered = Annotation.objects.filter(
        round_clip__round__in=list(rounds), annotator=address_of(person, annotator), deleted_at=None
    )
    free = free.exclude(round_clip__in=answered.values("round_clip"), returned_at=None)
    if annotator is None:
        return free
    return free.exclude(round_clip__in=Pass.objects.filter(annotator=annotator).values("round_clip"))


def _told(passes: QuerySet[Pass]) -> QuerySet[Pass]:
    """With what a list of them shows, in their order."""
    told = passes.select_related("round", "round_clip__clip__speaker")
    return told.order_by(IsNull(F("returned_at"), True), "place", "pk")


def _all_waiting(collection: Collection, person: User, annotator: Annotator | None) -> Waiting:
    number, seconds = 0, 0.0
    for rows in (_waiting(collection, annotator), _anyones(collection, person, annotator)):
        some = rows.order_by()[: COUNTED + 1]
        told = Pass.objects.filter(pk__in=some.values("pk")).aggregate(
            n=Count("pk"), seconds=Sum("round_clip__clip__seconds", default=0.0)
        )
        number, seconds = number + told["n"], seconds + told["seconds"]
    return Waiting(passes_for(collection, person, annotator), number, seconds)
