"""The quality gate: which clips are worth a person's time and a training step, and who overruled it.

Thresholds come from the settings, a collection may set its own. An unfit clip is kept and shown, and never sent to
people or to training.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Clip, Collection, Unfit
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.speech.errors import EarmarkError
from earmark.speech.quality import Quality

AT_ONCE = 5_000
SETTLED = (Unfit.DUPLICATE, Unfit.TORN, Unfit.BY_HAND)
"""Reasons that no threshold decides."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The thresholds. A clip that misses one is unfit; the first missed, in this order, is its reason.

    Seconds; share of the clip in 0..1; decibels; share of samples in 0..1; hertz (0 asks nothing); LUFS.
    """

    least_speech_seconds: float = 0.2
    most_silence_share: float = 0.95
    least_loudness_lufs: float = -55.0
    most_clipped_share: float = 0.01
    least_snr_db: float = 0.0
    least_bandwidth_hz: float = 2_500.0

    def verdict(self, quality: Quality) -> str:
        """The reason why a clip of this quality is unfit; empty where it is fit."""
        missed = {
            Unfit.SILENT: quality.speech_seconds < self.least_speech_seconds
            or quality.silence_share > self.most_silence_share,
            Unfit.QUIET: quality.loudness_lufs < self.least_loudness_lufs,
            Unfit.CLIPPED: quality.clipped_share > self.most_clipped_share,
            Unfit.NOISY: quality.snr_db is not None and quality.snr_db < self.least_snr_db,
            Unfit.NARROW: quality.bandwidth_hz < self.least_bandwidth_hz,
        }
        return next((reason.value for reason, is_missed in missed.items() if is_missed), "")


_LIMITS = {
    "least_speech_seconds": (0.0, 30.0),
    "most_silence_share": (0.0, 1.0),
    "least_loudness_lufs": (-120.0, 0.0),
    "most_clipped_share": (0.0, 1.0),
    "least_snr_db": (-30.0, 100.0),
    "least_bandwidth_hz": (0.0, 8_000.0),
}


def changed(gate: Gate, thresholds: Mapping[str, Any]) -> Gate:
    """`gate` with other thresholds. Raises EarmarkError `corpus:gate:threshold`, naming the value."""
    for name, value in thresholds.items():
        if name not in _LIMITS:
            raise _error(f"{name!r} is no threshold", f"The thresholds are {', '.join(_LIMITS)}.")
        low, high = _LIMITS[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not low <= value <= high:
            raise _error(f"{name} is {value!r}", f"Give a number from {low:g} to {high:g}.")
    return replace(gate, **{name: float(value) for name, value in thresholds.items()})


def gate_of(collection: Collection) -> Gate:
    """The thresholds that hold in the collection. Raises EarmarkError `corpus:gate:threshold`."""
    return changed(changed(Gate(), settings.QUALITY_GATE), collection.gate)


def overruled(clip: Clip) -> bool:
    """Whether a person's word stands against the gate's."""
    return clip.is_fit == bool(clip.unfit) or clip.unfit == Unfit.BY_HAND


def quality_of(clip: Clip) -> Quality | None:
    """What was measured of the clip; None for one that was cut before anything was."""
    if clip.speech_seconds is None:
        return None
    return Quality(**{field.name: getattr(clip, field.name) for field in fields(Quality)})


@transaction.atomic
def overrule(*, clip: Clip, is_fit: bool, by: User, why: str) -> None:
    """Let a person's word on whether the clip is fit stand against the gate's.

    Raises EarmarkError `corpus:gate:reason` without a reason.
    """
    if not why.strip():
        raise EarmarkError(
            "corpus:gate:reason",
            _("Nothing says why clip %(id)s is overruled.") % {"id": clip.pk},
            _("Write a few words; they go into the audit log."),
        )
    held = Clip.objects.select_for_update(no_key=True).get(pk=clip.pk)
    held.is_fit = is_fit
    if not is_fit and held.unfit not in (Unfit.DUPLICATE, Unfit.TORN):
        held.unfit = Unfit.BY_HAND
    if is_fit and held.unfit == Unfit.BY_HAND:
        quality = quality_of(held)
        held.unfit = gate_of(held.collection).verdict(quality) if quality else ""
    held.save(update_fields=["is_fit", "unfit"])
    audit(by, "overrule gate", f"clip {clip.pk}", is_fit=is_fit, unfit=held.unfit, why=why.strip())


@transaction.atomic
def set_thresholds(*, collection: Collection, thresholds: Mapping[str, Any], by: User | None) -> Job:
    """Give the collection thresholds of its own (in place of those it had) and judge its clips again.

    Raises EarmarkError `corpus:gate:threshold`.
    """
    gate = changed(changed(Gate(), settings.QUALITY_GATE), thresholds)
    collection.gate = {name: float(value) for name, value in thresholds.items()}
    collection.save(update_fields=["gate"])
    audit(by, "set quality gate", f"collection {collection.slug}", **asdict(gate))
    return submit("corpus.judge", scope=collection.scope, by=by, collection_id=collection.pk)


def judge_again(context: Context, *, collection_id: int) -> dict[str, Any]:
    """Apply the collection's gate to every clip whose verdict a threshold decides and no person overruled.

    The gate is that of the moment, clips by clips: when thresholds are set again meanwhile, the last word stands.
    """
    clips = Clip.objects.filter(collection=collection_id)
    last, done, turned = 0, 0, 0
    total = clips.count()
    while True:
        with transaction.atomic():
            collection = Collection.objects.select_for_update(no_key=True).get(pk=collection_id)
            some = list(clips.filter(pk__gt=last).order_by("pk")[:AT_ONCE])
            turned += _judge(some, gate_of(collection))
        if not some:
            break
        last, done = some[-1].pk, done + len(some)
        context.progress(done, total)
    return {"clips": done, "changed": turned}


def _judge(clips: list[Clip], gate: Gate) -> int:
    """Write the verdicts that changed; returns how many did. A clip overruled meanwhile keeps the person's word."""
    turned = 0
    by_verdict: dict[str, list[int]] = {}
    for clip in clips:
        quality = quality_of(clip)
        if quality is None or clip.unfit in SETTLED or overruled(clip):
            continue
        verdict = gate.verdict(quality)
        if verdict != clip.unfit:
            by_verdict.setdefault(verdict, []).append(clip.pk)
    for verdict, ids in by_verdict.items():
        unchanged = Clip.objects.filter(pk__in=ids, unfit__in=_thresholded())
        untouched = unchanged.filter(is_fit=True, unfit="") | unchanged.filter(is_fit=False).exclude(unfit="")
        turned += untouched.update(unfit=verdict, is_fit=not verdict)
    return turned


def _thresholded() -> list[str]:
    return ["", *(reason.value for reason in Unfit if reason not in SETTLED)]


def _error(what: str, hint: str) -> EarmarkError:
    return EarmarkError("corpus:gate:threshold", f"The quality gate's {what}.", hint)
