"""Reads: which clips wait for an adjudicator or a reviewer, and all there is to decide one by.

A clip waits for adjudication when the answers to it disagree, for review when something speaks for a second look at
its label. Both lists are read off indexes that hold only what waits.
"""

from collections.abc import Collection as Several
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Value

from annotation.deciding import version_of
from annotation.models import Annotation, Round, RoundClip
from annotation.review_models import Decision, ReviewRequest
from earmark.corpus.models import Clip, Collection, Reference
from earmark.recognition.models import Hypothesis
from earmark.speech.errors import EarmarkError

DISAGREE = "adjudicate"
"""The outcome of a clip whose answers are too unlike for a consensus, and the reason it is shown for."""


class Queue(StrEnum):
    """What a clip waits for."""

    ADJUDICATION = "adjudication"
    REVIEW = "review"


@dataclass(frozen=True)
class Waiting:
    """A clip that waits for a decision. `reason`: DISAGREE, or one of ReviewRequest.Reason."""

    round_clip: int
    clip: int
    round: int
    reason: str
    seconds: float
    language: str
    dialect: str


@dataclass(frozen=True)
class Sheet:
    """All there is to decide one clip by. `version` goes back with the decision as what it was decided on.

    `answers` are those Label Studio still has, oldest first; `decisions` the newest first. `hypothesis` is what the
    annotators saw.
    """

    round_clip: RoundClip
    clip: Clip
    version: str
    reason: str
    answers: Sequence[Annotation]
    hypothesis: Hypothesis | None
    reference: Reference | None
    decisions: Sequence[Decision]


def waiting(
    collection: Collection,
    queue: Queue,
    *,
    without: str = "",
    skip: Several[int] = (),
    limit: int = 50,
) -> list[Waiting]:
    """The first `limit` clips of `queue`, in the order in which they are to be decided.

    Adjudication: the newest round first, within it in the order of the round. Review: the heaviest request first.
    `without`: the address of a person who is not shown what they answered themselves; `skip`: RoundClip ids to leave
    out.
    """
    rows = _disagreed(collection) if queue == Queue.ADJUDICATION else _requested(collection)
    if without:
        own = Annotation.objects.filter(round_clip=OuterRef("pk"), annotator=without, deleted_at=None)
        rows = rows.filter(~Exists(own))
    if skip:
        rows = rows.exclude(pk__in=skip)
    found: Iterable[Any] = rows.select_related("round", "clip")[:limit]
    return [
        Waiting(
            one.pk,
            one.clip_id,
            one.round.number,
            one.why_shown,
            one.clip.seconds,
            one.clip.language,
            one.clip.dialect,
        )
        for one in found
    ]


def sizes(collection: Collection) -> dict[Queue, int]:
    """How many clips wait in each queue."""
    return {
        Queue.ADJUDICATION: _disagreed(collection).count(),
        Queue.REVIEW: ReviewRequest.objects.filter(collection=collection, settled_at=None).count(),
    }


def _disagreed(collection: Collection) -> QuerySet[RoundClip, Any]:
    rounds = Round.objects.filter(collection=collection).values_list("pk", flat=True)
    rows = RoundClip.objects.filter(round__in=list(rounds), outcome=DISAGREE)
    return rows.annotate(why_shown=Value(DISAGREE)).order_by("-round_id", "-score", "pk")


def _requested(collection: Collection) -> QuerySet[RoundClip, Any]:
    rows = RoundClip.objects.filter(
        review_request__collection=collection, review_request__settled_at=None
    ).annotate(why_shown=F("review_request__reason"))
    return rows.order_by("-review_request__weight", "review_request__pk")


def sheet(collection: Collection, round_clip_id: int) -> Sheet:
    """All there is to decide a clip of a round by. Raises EarmarkError `annotation:clip:unknown`."""
    found = RoundClip.objects.filter(pk=round_clip_id, round__collection=collection)
    row = found.select_related(
        "round__collection", "clip__recording", "clip__speaker", "hypothesis__details", "review_request"
    ).first()
    if row is None:
        raise EarmarkError(
            "annotation:clip:unknown",
            f"There is no clip {round_clip_id} in a round of {collection}.",
            "Open the queue again: the round may have been removed.",
        )
    version = version_of(row.pk)
    answers = row.annotations.filter(deleted_at=None).order_by("updated_at", "annotation_id")
    request = getattr(row, "review_request", None)
    return Sheet(
        round_clip=row,
        clip=row.clip,
        version=version,
        reason=DISAGREE if row.outcome == DISAGREE else request.reason if request else "",
        answers=list(answers.select_related("of_pass")),
        hypothesis=row.hypothesis,
        reference=Reference.objects.filter(clip=row.clip_id, is_current=True).first(),
        decisions=list(row.decisions.select_related("by", "annotation")),
    )
