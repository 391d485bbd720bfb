"""Look at new answers once: what may be a slip, and whether a reviewer should look, too.

Answers to check are those without `checked_at`; whoever writes an answer anew takes it away. The work of the job
`annotation.check_slips`, on the queue where models live: a batch that was checked is committed, so it may be killed at
any line and run again.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation import slips
from annotation.measuring import start_measuring
from annotation.models import Annotation, RoundClip
from annotation.project import SILENCE, UNINTELLIGIBLE
from annotation.requesting import request_reviews
from annotation.slips import Fit, Slip
from earmark.corpus.models import Clip, Collection
from earmark.corpus.samples import samples_of
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.calibrations import word_doubts
from earmark.recognition.fitting import Fitting, fitting
from earmark.recognition.models import Alias, Hypothesis
from earmark.recognition.registry import holder
from earmark.speech.engine import Word
from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)

KIND = "annotation.check_slips"
BATCH = 32
WAIT_SECONDS = 10.0
"""Answers of a few seconds share one check, so that a model is asked for many at a time."""
MEASURED_AFTER_SECONDS = 300.0
"""Answers of some minutes share one measuring of the people who gave them."""


def unchecked(collection: Collection) -> QuerySet[Annotation]:
    """The answers nobody has looked at yet, the oldest first."""
    rows = Annotation.objects.filter(
        round_clip__round__collection=collection, checked_at=None, deleted_at=None
    )
    return rows.order_by("pk")


def start_checks() -> list[Job]:
    """One check for every collection with new answers; what beat asks."""
    waiting = Annotation.objects.filter(checked_at=None, deleted_at=None)
    ids = waiting.values("round_clip__round__collection").distinct()
    return [start_check(one) for one in Collection.objects.filter(pk__in=ids)]


def start_check(collection: Collection) -> Job:
    """Submit the check of a collection's new answers; the one under way where there is one."""
    return submit(
        KIND,
        scope=collection.scope,
        key=f"check-slips:{collection.pk}",
        delay_seconds=WAIT_SECONDS,
        collection_id=collection.pk,
    )


def check_slips(context: Context, *, collection_id: int) -> dict[str, Any]:
    """Check all new answers of the collection, those that come meanwhile too; returns what was found.

    Raises EarmarkError `recognition:model:unavailable`, and ConnectionError for a storage that is away.
    """
    collection = Collection.objects.get(pk=collection_id)
    champion = holder(collection, Alias.Name.CHAMPION)
    aligner: Fitting | None = None
    checked = doubted = 0
    measures = False
    while batch := _next(collection):
        if checked == 0 and champion:
            aligner = fitting(champion)
        context.progress(checked, checked + unchecked(collection).count())
        heard = _heard(batch, champion.pk if champion else None)
        found = {one.pk: _slips_of(one, heard.get(one.round_clip.clip_id), aligner) for one in batch}
        _write(collection, batch, found)
        checked += len(batch)
        measures |= any(map(_tells_of_people, batch))
        doubted += sum(map(bool, found.values()))
    if measures:
        start_measuring(collection, delay_seconds=MEASURED_AFTER_SECONDS)
    return {"checked": checked, "doubted": doubted}


def _tells_of_people(answer: Annotation) -> bool:
    """Whether the answer says something of how often people err: others answer the clip, too, or its text is known."""
    return answer.round_clip.wanted > 1 or answer.round_clip.reason == RoundClip.Reason.KNOWN


def _next(collection: Collection) -> list[Annotation]:
    rows = unchecked(collection).select_related("round_clip__round", "round_clip__clip__recording")
    return list(rows[:BATCH])


def _heard(batch: Sequence[Annotation], champion: int | None) -> dict[int, Hypothesis]:
    """What the champion heard in the clips of `batch`, by clip."""
    clips = {one.round_clip.clip_id for one in batch}
    rows = Hypothesis.objects.filter(clip__in=clips, model=champion).select_related("details")
    return {one.clip_id: one for one in rows}


def _slips_of(answer: Annotation, hypothesis: Hypothesis | None, aligner: Fitting | None) -> list[Slip]:
    clip = answer.round_clip.clip
    if answer.was_skipped or UNINTELLIGIBLE in answer.quality:
        return []
    quick = slips.too_fast(answer.lead_seconds, clip.seconds)
    text = "" if SILENCE in answer.quality else answer.text
    heard = _units(hypothesis, clip.language) if hypothesis else None
    if not heard or not slips.places(text, heard, clip.language):
        return quick
    return [*slips.doubted(text, heard, clip.language, **_fits(clip, aligner)), *quick]


def _units(hypothesis: Hypothesis, language: str) -> list[slips.HeardUnit] | None:
    words = [Word(*one) for one in hypothesis.words]
    return slips.heard_units(word_doubts(hypothesis), words, language)


def _fits(clip: Clip, aligner: Fitting | None) -> dict[str, Any]:
    """How texts are asked to fit the clip: not at all without an aligner, or where the clip cannot be heard."""
    if aligner is None:
        return {"fits": None, "threshold": 0.0}
    try:
        ((_, samples),) = samples_of([clip])
        aligner.align(samples, [""])
    except EarmarkError as error:
        log.warning("the answers to clip %s are checked without its sound: %s", clip.pk, error)
        return {"fits": None, "threshold": 0.0}
    return {"fits": lambda texts: _fit(aligner, samples, texts), "threshold": aligner.threshold}


def _fit(aligner: Fitting, samples: np.ndarray, texts: Sequence[str]) -> list[Fit]:
    return [Fit(one.misfit, one.slip) for one in aligner.align(samples, texts)]


@transaction.atomic
def _write(collection: Collection, batch: Sequence[Annotation], found: dict[int, list[Slip]]) -> None:
    """Keep what was found, unless the answer was changed meanwhile: then it is looked at again."""
    now = timezone.now()
    for one in batch:
        told = [slip.as_json() for slip in found[one.pk]]
        same = Annotation.objects.filter(pk=one.pk, updated_at=one.updated_at)
        same.update(slips=told, checked_at=now)
    request_reviews(collection, RoundClip.objects.filter(pk__in={one.round_clip_id for one in batch}))
