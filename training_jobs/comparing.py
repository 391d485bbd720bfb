"""Compare two models on the same clips: hear, score, measure, write the report."""

import os
from dataclasses import asdict
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Clip
from earmark.corpus.samples import samples_of
from earmark.datasets.models import Snapshot
from earmark.jobs.models import UNFINISHED
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.models import Calibration, Hypothesis, ModelVersion
from earmark.recognition.registry import put_engines_away
from earmark.recognition.transcription import transcribe
from earmark.speech.calibration import Assessed, Calibrator
from earmark.speech.errors import EarmarkError
from earmark.speech.text import Normalisation
from training_jobs.comparison_report import Side, text_report
from training_jobs.measuring import measure
from training_jobs.models import Comparison
from training_jobs.scored import Examined, clips_of, examined, heard_texts, items_of, scored

SEED = 20
SAMPLE_SECONDS = 60.0
LONGEST_SAMPLE_SECONDS = 3600.0


def request_comparison(
    *,
    a: ModelVersion,
    b: ModelVersion,
    snapshot: Snapshot,
    digits: bool = False,
    simplified: bool = False,
    sample_seconds: float = SAMPLE_SECONDS,
    by: User | None = None,
) -> Comparison:
    """Queue the comparison of `a` and `b` on `snapshot`; one that is under way already is returned instead.

    `digits` and `simplified`: see `Normalisation`. `sample_seconds` of audio are heard afresh to measure speed and
    memory. Raises EarmarkError `comparison:models:same`, `comparison:sample:size`.
    """
    _refuse(a, b, sample_seconds)
    options = {"digits": digits, "simplified": simplified, "sample_seconds": sample_seconds, "seed": SEED}
    with transaction.atomic():
        Snapshot.objects.select_for_update(no_key=True).get(pk=snapshot.pk)
        asked = Comparison.objects.filter(a=a, b=b, snapshot=snapshot, options=options)
        begun = asked.filter(job__status__in=UNFINISHED).first()
        if begun:
            return begun
        comparison = Comparison.objects.create(a=a, b=b, snapshot=snapshot, options=options, created_by=by)
        comparison.job = submit(
            "training_jobs.compare",
            scope=snapshot.collection.scope,
            key=f"compare:{comparison.pk}",
            by=by,
            comparison_id=comparison.pk,
        )
        comparison.save(update_fields=["job"])
        audit(by, "request comparison", snapshot.collection.scope, a=a.name, b=b.name, digest=snapshot.digest)
    return comparison


def compare(comparison: Comparison, context: Context) -> Comparison:
    """Fill in the report of `comparison`: hypotheses that are there are used, speed is measured afresh.

    Raises EarmarkError `evaluation:test-set:empty` or `:unheard`, and what loading and measuring raise.
    """
    snapshot, models = comparison.snapshot, (comparison.a, comparison.b)
    clips = examined(snapshot)
    for model in models:
        transcribe(context, clips=clips_of(snapshot), model=model)
    alike = Normalisation(comparison.options["digits"], comparison.options["simplified"])
    sides = [_side(model, snapshot, clips, alike) for model in models]
    report = text_report(clips, *sides, options=alike, seed=comparison.options["seed"])
    context.progress(0, 1, _("measuring speed and memory"))
    report["measured"] = _measured(comparison, clips, context)
    report["models"] = {
        name: {"name": model.name, "engine": model.engine} for name, model in zip("ab", models, strict=True)
    }
    comparison.report = report
    comparison.save(update_fields=["report"])
    return comparison


def _refuse(a: ModelVersion, b: ModelVersion, sample_seconds: float) -> None:
    if a == b:
        raise EarmarkError(
            "comparison:models:same",
            _("{model} cannot be compared with itself.").format(model=a.name),
            _("Choose two models."),
        )
    if not 0 < sample_seconds <= LONGEST_SAMPLE_SECONDS:
        raise EarmarkError(
            "comparison:sample:size",
            _("A sample of {seconds} s cannot be heard.").format(seconds=sample_seconds),
            _("Choose more than 0 and at most {most} seconds.").format(most=round(LONGEST_SAMPLE_SECONDS)),
        )


def _side(model: ModelVersion, snapshot: Snapshot, clips: list[Examined], alike: Normalisation) -> Side:
    heard = heard_texts(model, snapshot, clips)
    rows = Hypothesis.objects.filter(model=model, clip__in=items_of(snapshot).values("clip"))
    told = {
        clip: Assessed(confidence, features, flags)
        for clip, confidence, features, flags in rows.values_list(
            "clip_id", "confidence", "features", "flags"
        )
    }
    assessed = [told[one.clip] for one in clips]
    calibration = Calibration.objects.filter(collection=snapshot.collection, model=model).first()
    confidence = [one.prior for one in assessed]
    if calibration:
        confidence = Calibrator.from_json(calibration.parameters).assess(assessed)[0].tolist()
    texts = [heard[one.clip] for one in clips]
    return Side(scored(clips, heard, alike), texts, confidence, calibration is not None)


def _measured(comparison: Comparison, clips: list[Examined], context: Context) -> dict[str, Any]:
    """Both models' speed, memory and size on a part of the clips that is drawn by the seed."""
    sample = _sample(clips, comparison.options["sample_seconds"], comparison.options["seed"])
    languages = {one.clip: one.traits.language for one in clips}
    rows = list(Clip.objects.filter(pk__in=sample).select_related("recording").order_by("recording_id", "pk"))
    waveforms = dict(samples_of(rows))
    put_engines_away()
    found = measure(
        [comparison.a, comparison.b],
        [waveforms[row.pk] for row in rows],
        [languages[row.pk] for row in rows],
        context,
    )
    return {
        "clips": len(rows),
        "seconds": sum(row.seconds for row in rows),
        "device": settings.EARMARK.device,
        "cores": os.cpu_count(),
        **{name: asdict(one) for name, one in zip("ab", found, strict=True)},
    }


def _sample(clips: list[Examined], seconds: float, seed: int) -> list[int]:
    """Clips drawn at random until they last `seconds`; at least one."""
    drawn: list[int] = []
    for index in np.random.default_rng(seed).permutation(len(clips)).tolist():
        if seconds <= 0:
            break
        drawn.append(clips[index].clip)
        seconds -= clips[index].traits.seconds or 0.0
    return drawn
