"""Writes: the passes of a round, who has them, and who has them instead."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet, Sum

from annotation.models import Annotation, Round, RoundClip
from annotation.plans import plan_of
from annotation.review_models import Invitation
from annotation.routing import Asked, Given, Person, Rule, draw, route
from annotation.routing_models import Annotator, Pass, RoutingRule
from earmark.corpus.models import Collection

BATCH = 1000
Reason = RoundClip.Reason


def make_passes(row: Round, *, now: datetime) -> None:
    """Passes for the clips of the round that have none, given out by the rules among those who label here.

    The labelling plan's share of the clips is transcribed from nothing; a clip whose answer is known is asked once.
    """
    clips = list(row.clips.filter(passes=None).select_related("clip", "hypothesis").order_by("pk"))
    places = queue_places(clips, row.seed)
    control = _control(clips, plan_of(row.collection).control_share, row.seed)
    knowing = _who_answered([one.clip_id for one in clips if one.reason == Reason.KNOWN])
    asked = [
        asked_of(
            one,
            places[one.pk],
            numbers=(1,) if one.reason == Reason.KNOWN else None,
            barred=knowing.get(one.clip_id, frozenset()),
        )
        for one in clips
    ]
    people = people_of(row.collection, now=now)
    given = route(asked, rules_of(row.collection), people, seed=row.seed)
    of_clip = {one.clip_id: one for one in clips}
    has_people = bool(people)
    made = [
        Pass(
            round=row,
            round_clip=of_clip[one.clip],
            number=one.number,
            is_blind=one.is_blind or (one.number == 1 and one.clip in control),
            place=place_of(places[of_clip[one.clip].pk], one, has_people=has_people),
            **routing_of(one, has_people=has_people),
        )
        for one in given
    ]
    Pass.objects.bulk_create(made, batch_size=BATCH)
    _want(of_clip.values(), given)


def place_of(place: float, given: Given, *, has_people: bool) -> float:
    """Where a pass stands: beside its clip; behind all first passes where anybody may take any, lest one take both."""
    return place if has_people else place + (given.number - 1)


def _want(clips: Iterable[RoundClip], given: Iterable[Given]) -> None:
    wanted: dict[int, int] = {}
    for one in given:
        wanted[one.clip] = max(wanted.get(one.clip, 0), one.number)
    changed = [place for place in clips if place.wanted != wanted.get(place.clip_id, place.wanted)]
    for place in changed:
        place.wanted = wanted[place.clip_id]
    RoundClip.objects.bulk_update(changed, ["wanted"], batch_size=BATCH)


def routing_of(given: Given, *, has_people: bool) -> dict[str, Any]:
    """How a pass is given out, as fields of its row."""
    if not has_people:
        return {"routing": Pass.Routing.OPEN, "annotator_id": None, "stuck_because": ""}
    if given.person is None:
        because = given.because or ""
        return {"routing": Pass.Routing.STUCK, "annotator_id": None, "stuck_because": str(because)}
    return {"routing": Pass.Routing.ASSIGNED, "annotator_id": given.person, "stuck_because": ""}


def asked_of(one: RoundClip, place: float, **more: Any) -> Asked:
    """A clip of a round as the rules see it; `more` as in Asked."""
    clip = one.clip
    return Asked(
        clip=clip.pk,
        language=clip.language,
        dialect=clip.dialect,
        error=expected_error(one),
        seconds=clip.seconds,
        place=place,
        **more,
    )


def expected_error(one: RoundClip) -> float | None:
    """The error rate to expect of the clip's text: as calibrated, else one minus what the model is sure of."""
    if one.clip.expected_error_rate is not None:
        return one.clip.expected_error_rate
    return None if one.hypothesis is None else 1.0 - one.hypothesis.confidence


def _control(clips: Sequence[RoundClip], share: float, seed: int) -> set[int]:
    """That share of the clips whose answer is not known, drawn at random; clip ids."""
    free = [one.clip_id for one in clips if one.reason != Reason.KNOWN]
    drawn = sorted(free, key=lambda clip: draw(seed, "control", clip))
    return set(drawn[: round(share * len(free))])


def queue_places(clips: Sequence[RoundClip], seed: int) -> dict[int, float]:
    """Where each clip stands in the annotators' queue, by RoundClip id; Label Studio asks the lowest first.

    The least confident come first. A clip drawn for the audit, and one whose answer is known, takes the place of a
    randomly drawn other one: asked by its own confidence it would come last when it is easy, and a round that ends
    early would have audited the hard clips only.
    """
    by_confidence = {one.pk: one.hypothesis.confidence if one.hypothesis else 0.0 for one in clips}
    drawn_by_lot = (Reason.AUDIT, Reason.KNOWN)
    audited = sorted(one.pk for one in clips if one.reason in drawn_by_lot)
    others = sorted(by_confidence[one.pk] for one in clips if one.reason not in drawn_by_lot)
    rng = np.random.default_rng([seed, 2])
    drawn = rng.choice(others, len(audited)) if others else rng.random(len(audited))
    return by_confidence | dict(zip(audited, map(float, drawn), strict=True))


def rules_of(collection: Collection) -> list[Rule]:
    """The active rules of the collection, in order."""
    found = RoutingRule.objects.filter(collection=collection, is_active=True).prefetch_related("annotators")
    return [
        Rule(
            key=one.pk,
            languages=frozenset(one.languages),
            dialects=frozenset(one.dialects),
            least_error=one.least_error,
            most_error=one.most_error,
            share=one.share,
            people=one.people,
            is_blind=one.is_blind,
            only=frozenset(person.pk for person in one.annotators.all()),
        )
        for one in found
    ]


def labellers(collection: Collection) -> QuerySet[Annotator]:
    """Among whom the collection's clips are given out.

    Who was invited and has neither joined nor anything to do does not count yet: nothing should wait for them.
    """
    of_them = {"annotator": OuterRef("pk")}
    invited = Invitation.objects.filter(**of_them, accepted_at=None, withdrawn_at=None)
    busy = Pass.objects.filter(**of_them)
    return Annotator.objects.filter(collection=collection).exclude(
        Exists(invited) & ~Exists(busy), studio_user=None
    )


def people_of(collection: Collection, *, now: datetime, but: Iterable[Pass] = ()) -> list[Person]:
    """Who labels in the collection, with the audio they did today (UTC) and what lies before them in open rounds.

    The passes `but` do not count: they are about to be given out.
    """
    today = now.astimezone(UTC).date()
    midnight = datetime.combine(today, time(), UTC)
    done = _seconds(
        Annotation.objects.filter(of_pass__annotator__collection=collection, created_at__gte=midnight)
        .values_list("of_pass__annotator")
        .annotate(seconds=Sum("round_clip__clip__seconds"))
    )
    waiting = _seconds(
        Pass.objects.filter(annotator__collection=collection, status=Pass.Status.WAITING)
        .exclude(round__status=Round.Status.CLOSED)
        .exclude(pk__in=[one.pk for one in but])
        .order_by()
        .values_list("annotator")
        .annotate(seconds=Sum("round_clip__clip__seconds"))
    )
    return [
        Person(
            key=one.pk,
            languages=frozenset(one.languages),
            dialects=frozenset(one.dialects),
            daily_seconds=one.daily_seconds,
            load_seconds=done.get(one.pk, 0.0) + waiting.get(one.pk, 0.0),
            is_here=one.is_here(today),
        )
        for one in labellers(collection).order_by("pk")
    ]


def _seconds(rows: Any) -> dict[int, float]:
    return {person: seconds or 0.0 for person, seconds in rows}


def _who_answered(clips: Iterable[int]) -> dict[int, frozenset[int]]:
    """Annotators who have answered each of `clips`, in whatever round."""
    rows = Annotation.objects.filter(round_clip__clip__in=list(clips), of_pass__annotator__isnull=False)
    found: dict[int, set[int]] = {}
    for clip, person in rows.values_list("round_clip__clip_id", "of_pass__annotator_id").order_by():
        found.setdefault(clip, set()).add(person)
    return {clip: frozenset(people) for clip, people in found.items()}
