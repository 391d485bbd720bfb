"""Learn from audited clips what a model's confidence means in a collection, and show it on every clip.

Which clips were drawn at random is known above this floor, so their ids come as an argument; their texts are the
references people gave them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db import transaction

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection, Reference
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.calibrations import assessed, newest, word_doubts
from earmark.recognition.champion_shown import submit_following
from earmark.recognition.models import Alias, Calibration, Hypothesis, ModelVersion
from earmark.speech.calibration import Calibrator
from earmark.speech.calibration_fit import FEWEST, Audited, audited, fit
from earmark.speech.calibration_report import report
from earmark.speech.errors import EarmarkError

BY_PEOPLE = (Reference.Kind.ANNOTATOR, Reference.Kind.CONSENSUS, Reference.Kind.ADJUDICATED)
SEED = 1
"""Deals the folds. The same clips give the same calibration."""


def submit_calibration(
    *, collection: Collection, model: ModelVersion, clips: Sequence[int], by: User | None
) -> Job:
    """Queue the calibration of `model` on the clips `clips`, which have to be drawn at random.

    Raises EarmarkError `recognition:calibration:too_few` where fewer than FEWEST of them have both a reference by
    people and been heard by `model`.
    """
    require_enough(collection, model, heard_with_reference(model, clips).count())
    return submit(
        "recognition.calibrate",
        scope=collection.scope,
        key=f"calibrate:{collection.pk}:{model.pk}",
        by=by,
        collection_id=collection.pk,
        model_id=model.pk,
        clips=sorted(clips),
        by_id=by.pk if by else None,
    )


def calibrate(
    context: Context, *, collection: Collection, model: ModelVersion, clips: Sequence[int], by: User | None
) -> Calibration:
    """Fit a calibrator for `model` on `clips`, write it with its report, and have every clip shown anew by it.

    What a job has written already is not written again. Raises EarmarkError `recognition:calibration:too_few`.
    """
    made = Calibration.objects.filter(collection=collection, model=model, report__job=context.job_id).first()
    if made:
        return made
    known = read_audited(model, clips)
    require_enough(collection, model, len(known))
    context.progress(0, 2)
    calibrator = fit(known, np.random.default_rng(SEED))
    context.progress(1, 2)
    judged = {**report(known, SEED), "seed": SEED, "job": context.job_id}
    context.check()
    with transaction.atomic():
        # waits for whoever shows clips by the calibration before, and is waited for by whoever comes after
        parts = Alias.objects.select_for_update(no_key=True).filter(collection=collection, model=model)
        is_champion = Alias.Name.CHAMPION in [part.name for part in parts.order_by("pk")]
        row = Calibration.objects.create(
            collection=collection,
            model=model,
            parameters=calibrator.as_json(),
            report=judged,
            clips=len(known),
            created_by=by,
        )
        audit(by, "calibrate", collection.scope, model=model.name, calibration=row.pk, clips=len(known))
        if is_champion:
            submit_following(collection=collection, by=by)
    context.progress(2, 2)
    return row


def keep_fitted(
    *, collection: Collection, model: ModelVersion, fitted: Mapping[str, Any], by: User | None
) -> Calibration:
    """Write the calibration that a training fitted for its model on dev clips, unless the model has one here.

    `fitted`: `parameters`, `report` and `clips`, as `calibrate` would have found them. Audited clips replace it,
    however few: dev clips are not drawn from the pool. Raises EarmarkError `speech:calibration:*` for parameters that
    cannot be read.
    """
    Calibrator.from_json(fitted["parameters"])
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        held = newest(collection, model)
        if held:
            return held
        row = Calibration.objects.create(
            collection=collection,
            model=model,
            parameters=dict(fitted["parameters"]),
            report={**fitted["report"], "fitted_on": Calibration.ON_DEV},
            clips=fitted["clips"],
            created_by=by,
        )
        audit(by, "calibrate", collection.scope, model=model.name, calibration=row.pk, on=Calibration.ON_DEV)
        if Alias.objects.filter(collection=collection, model=model, name=Alias.Name.CHAMPION).exists():
            submit_following(collection=collection, by=by)
    return row


def heard_with_reference(model: ModelVersion, clips: Sequence[int]) -> Any:
    """What `model` heard in those of `clips` whose text people told."""
    told = Reference.objects.filter(is_current=True, kind__in=BY_PEOPLE, clip__in=clips)
    return Hypothesis.objects.filter(model=model, clip__in=told.values("clip_id"))


def require_enough(collection: Collection, model: ModelVersion, count: int) -> None:
    """Raises EarmarkError `recognition:calibration:too_few` where `count` clips are too few to calibrate on."""
    if count < FEWEST:
        raise EarmarkError(
            "recognition:calibration:too_few",
            f"{count} clips of {collection.slug} were drawn at random, labelled by people, heard by {model.name} and "
            f"not used to train it; {FEWEST} are needed to calibrate it.",
            "Have more of the clips labelled that rounds draw at random, or give the next round a larger audit share.",
        )


def read_audited(model: ModelVersion, clips: Sequence[int]) -> list[Audited]:
    """Those of `clips` that people told the text of and `model` heard, in the order of ids, judged."""
    rows = heard_with_reference(model, clips).select_related("details", "clip").order_by("clip_id")
    texts = dict(
        Reference.objects.filter(is_current=True, kind__in=BY_PEOPLE, clip__in=clips).values_list(
            "clip_id", "text"
        )
    )
    return [
        audited(
            assessed(row),
            text=row.text,
            reference=texts[row.clip_id],
            language=row.clip.language,
            words=word_doubts(row),
        )
        for row in rows
    ]
