"""Measure how well the people of a collection label: agreement, error rates, known answers. The work of a job.

Figures that take a look at every overlapped clip are measured once in a while and kept as a `QualityReport`, with the
number of clips and the seed; pages and whoever weighs votes read the newest.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db.models import Count, Q

from annotation.agreement import Overlapped, agreement_of, choice_alphas, nominal_alpha, pairwise
from annotation.models import Annotation, RoundClip
from annotation.project import CHOICES, SILENCE, UNINTELLIGIBLE
from annotation.reliability import Known, Reliability, reliabilities, vote
from annotation.review_models import QualityReport
from earmark.accounts.models import User
from earmark.corpus.models import Collection, Reference
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit

KIND = "annotation.measure_quality"
MOST_CLIPS = 3_000
"""How many overlapped clips are looked at, the newest: who erred years ago may err no more."""
SEED = 1


def start_measuring(collection: Collection, *, by: User | None = None, delay_seconds: float = 0.0) -> Job:
    """Submit the measuring of a collection's people; the one under way where there is one."""
    return submit(
        KIND,
        scope=collection.scope,
        key=f"measure-quality:{collection.pk}",
        by=by,
        delay_seconds=delay_seconds,
        collection_id=collection.pk,
    )


def measure(context: Context, *, collection_id: int) -> dict[str, Any]:
    """Measure and keep the report. What a job has written already is not written again."""
    collection = Collection.objects.get(pk=collection_id)
    made = QualityReport.objects.filter(collection=collection, figures__job=context.job_id).first()
    if made is None:
        answers = overlapped_answers(collection)
        known = known_answers(collection)
        context.progress(0, 2)
        found = figures(answers, known, seed=SEED)
        context.progress(1, 2)
        made = QualityReport.objects.create(
            collection=collection,
            figures={**found, "job": context.job_id},
            clips=found["clips"],
            known=len(known),
            seed=SEED,
        )
    context.progress(2, 2)
    return {"report": made.pk, "clips": made.clips, "known": made.known}


def newest_report(collection: Collection) -> QualityReport | None:
    """What was measured last."""
    return QualityReport.objects.filter(collection=collection).first()


def votes_of(collection_id: int) -> Mapping[str, float]:
    """How much each person's vote counts in a consensus, by address, from the newest report; nobody's without one."""
    report = QualityReport.objects.filter(collection=collection_id).first()
    return {one["person"]: vote(one["error_rate"]) for one in report.figures["people"]} if report else {}


def overlapped_answers(collection: Collection) -> list[list[Annotation]]:
    """The live answers to each clip that several people answered, the newest of each person; newest clips first."""
    live = Q(annotations__deleted_at=None, annotations__was_skipped=False)
    shared = (
        RoundClip.objects.filter(round__collection=collection)
        .exclude(reason=RoundClip.Reason.KNOWN)
        .annotate(people=Count("annotations__annotator", filter=live, distinct=True))
        .filter(people__gt=1)
        .order_by("-pk")
    )
    chosen = list(shared.values_list("pk", flat=True)[:MOST_CLIPS])
    rows = Annotation.objects.filter(round_clip__in=chosen, deleted_at=None, was_skipped=False)
    found: dict[int, dict[str, Annotation]] = defaultdict(dict)
    for one in rows.select_related("round_clip__clip").order_by("updated_at", "pk"):
        found[one.round_clip_id][one.annotator] = one
    return [list(found[pk].values()) for pk in chosen]


def known_answers(collection: Collection) -> list[Known]:
    """Everyone's newest answer to each clip whose text is known, with that text; without those told unintelligible."""
    asked = Annotation.objects.filter(
        round_clip__round__collection=collection,
        round_clip__reason=RoundClip.Reason.KNOWN,
        deleted_at=None,
        was_skipped=False,
    )
    newest = {
        (one.round_clip_id, one.annotator): one
        for one in asked.select_related("round_clip__clip").order_by("updated_at", "pk")
    }
    clips = {one.round_clip.clip_id for one in newest.values()}
    rows = Reference.objects.filter(clip__in=clips, is_current=True)
    truths = dict(rows.values_list("clip_id", "text"))
    return [
        Known(
            one.round_clip.clip_id,
            one.round_clip.clip.language,
            one.annotator,
            _text(one),
            truths[one.round_clip.clip_id],
        )
        for one in newest.values()
        if one.round_clip.clip_id in truths and UNINTELLIGIBLE not in one.quality
    ]


def figures(answers: Sequence[Sequence[Annotation]], known: Sequence[Known], *, seed: int) -> dict[str, Any]:
    """What all answers say of the people who gave them, as plain values."""
    clips = [_overlapped(one) for one in answers]
    texts = [one for one in clips if len(one.texts) > 1]
    ticked = [[frozenset(each.quality) for each in one] for one in answers]
    pairs = pairwise(texts, seed=seed)
    return {
        "clips": len(texts),
        "people": [
            _person(one, agreement_of(one.person, pairs)) for one in reliabilities(texts, known, seed=seed)
        ],
        "pairs": [{**asdict(pair), "rate": pair.rate} for pair in pairs],
        "alpha": nominal_alpha(ticked),
        "alphas": choice_alphas(ticked, [choice.code for choice in CHOICES]),
        "judged": len(ticked),
    }


def _person(one: Reliability, agreement: float | None) -> dict[str, Any]:
    return {**asdict(one), "agreement": agreement}


def _overlapped(answers: Sequence[Annotation]) -> Overlapped:
    clip = answers[0].round_clip.clip
    texts = {one.annotator: _text(one) for one in answers if UNINTELLIGIBLE not in one.quality}
    return Overlapped(clip.pk, clip.language, texts)


def _text(one: Annotation) -> str:
    return "" if SILENCE in one.quality else one.text
