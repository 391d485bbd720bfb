"""Which labelled clips a reviewer should look at, and asking for it."""

from collections.abc import Iterable, Mapping
from random import Random

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from annotation.models import Annotation, RoundClip
from annotation.plans import plan_of
from annotation.review_models import Decision, QualityReport, ReviewRequest
from earmark.corpus.models import Collection, Reference

Reason = ReviewRequest.Reason
BY_SEVERAL = (Reference.Kind.CONSENSUS, Reference.Kind.ADJUDICATED)


def reason_for(
    *,
    slips: int,
    error_rate: float | None,
    above: float | None,
    drawn: float,
    share: float,
    was_returned: bool = False,
) -> tuple[Reason, float] | None:
    """Why a label is to be reviewed, and how urgently; None when it need not. Pure.

    `slips`: how many are possible; `error_rate` of who wrote it, None while nobody knows; `drawn` in [0, 1): reviewed
    at random below `share`; `was_returned`: a reviewer had given it back. What comes back weighs most, then possible
    slips, then people by how often they err.
    """
    if was_returned:
        return Reason.RETURNED, 3.0
    if slips:
        return Reason.SLIPS, 2.0 + min(slips, 9) / 10
    if above is not None and error_rate is not None and error_rate > above:
        return Reason.ANNOTATOR, 1.0 + error_rate
    return (Reason.RANDOM, drawn) if drawn < share else None


def error_rates(collection: Collection) -> dict[str, float]:
    """Everyone's error rate by the newest report, by address."""
    report = QualityReport.objects.filter(collection=collection).first()
    people = report.figures["people"] if report else []
    return {one["person"]: one["error_rate"] for one in people}


def request_reviews(collection: Collection, clips: QuerySet[RoundClip]) -> int:
    """Ask for a review of those of `clips` that need one; returns how many. What was decided since its last answer, or
    is asked for already, is left as it is. Within the caller's transaction.
    """
    plan = plan_of(collection)
    rates = error_rates(collection)
    labelled = clips.filter(outcome=RoundClip.Outcome.LABELLED).exclude(reason=RoundClip.Reason.KNOWN)
    made = Decision.objects.filter(round_clip=OuterRef("pk"))
    newest = Subquery(made.order_by("-pk").values("kind")[:1])
    several = Reference.objects.filter(clip=OuterRef("clip"), is_current=True, kind__in=BY_SEVERAL)
    open_to = labelled.annotate(newest=newest, by_several=Exists(several))
    rows = open_to.filter(Q(newest=None) | Q(newest=Decision.Kind.RETURN)).select_related("round")
    answers = _answers(rows)
    asked = 0
    for one in rows:
        mine = [] if one.by_several else answers.get(one.pk, [])
        known = [rates[each.annotator] for each in mine if each.annotator in rates]
        found = reason_for(
            slips=sum(len(each.slips) for each in mine),
            error_rate=max(known, default=None),
            above=plan.review_above,
            drawn=Random(f"{one.round.seed}:review:{one.pk}").random(),
            share=plan.review_share,
            was_returned=one.newest == Decision.Kind.RETURN,
        )
        if found:
            reason, weight = found
            ReviewRequest.objects.update_or_create(
                round_clip=one,
                defaults={"collection": collection, "reason": reason, "weight": weight, "settled_at": None},
            )
            asked += 1
    return asked


def _answers(rows: Iterable[RoundClip]) -> Mapping[int, list[Annotation]]:
    found: dict[int, list[Annotation]] = {}
    live = Annotation.objects.filter(
        round_clip__in=[one.pk for one in rows], deleted_at=None, was_skipped=False
    )
    for answer in live:
        found.setdefault(answer.round_clip_id, []).append(answer)
    return found
