"""One clip: what was measured of it and what that means, and what lies around it."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from earmark.accounts.models import AuditEntry
from earmark.corpus.gate import Gate, gate_of, overruled
from earmark.corpus.models import Clip, Reference, Unfit
from earmark.recognition.models import Hypothesis, ModelVersion

AROUND = 6
STRIP = 400


@dataclass(frozen=True)
class Figure:
    """One measure of a clip: how it is written, on a scale from 0 to 1, what it means, and what the gate asks."""

    label: str
    value: str
    share: float | None
    meaning: str
    asked: str
    limit: float | None
    is_missed: bool


@dataclass(frozen=True)
class Verdict:
    """Whether the clip counts as fit, what the gate found, and who overruled it why."""

    is_fit: bool
    reason: str
    is_overruled: bool
    by: AuditEntry | None
    duplicate_of: Clip | None


@dataclass(frozen=True)
class _Measure:
    name: str
    threshold: str
    label: Promise
    meaning: Promise
    text: Callable[[float], str]
    low: float
    high: float
    reason: Unfit
    is_most: bool = False

    def share(self, value: float) -> float:
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


MEASURES = (
    _Measure(
        "snr_db", "least_snr_db", gettext_lazy("Signal to noise"),
        gettext_lazy("How far speech stands out of the noise: from 20 dB it is clean, below 5 dB hard to follow."),
        lambda value: f"{value:.1f} dB".replace("-", "−"), -10, 45, Unfit.NOISY,
    ),
    _Measure(
        "loudness_lufs", "least_loudness_lufs", gettext_lazy("Loudness"),
        gettext_lazy("As loud as people hear it: broadcast speech is at −23 LUFS."),
        lambda value: f"{value:.1f} LUFS".replace("-", "−"), -70, 0, Unfit.QUIET,
    ),
    _Measure(
        "bandwidth_hz", "least_bandwidth_hz", gettext_lazy("Bandwidth"),
        gettext_lazy("The highest frequency with sound in it: 3.4 kHz is a telephone, 8 kHz all that models hear."),
        lambda value: f"{value / 1000:.1f} kHz", 0, 8000, Unfit.NARROW,
    ),
    _Measure(
        "clipped_share", "most_clipped_share", gettext_lazy("Clipping"),
        gettext_lazy("The share of samples cut off because the recorder was set too high."),
        lambda value: f"{value * 100:.2f}%", 0, 0.05, Unfit.CLIPPED, True,
    ),
    _Measure(
        "speech_seconds", "least_speech_seconds", gettext_lazy("Speech"),
        gettext_lazy("How much of the clip somebody speaks."),
        lambda value: f"{value:.1f} s", 0, 30, Unfit.SILENT,
    ),
    _Measure(
        "silence_share", "most_silence_share", gettext_lazy("Silence"),
        gettext_lazy("The share of the clip in which nobody speaks."),
        lambda value: f"{value * 100:.0f}%", 0, 1, Unfit.SILENT, True,
    ),
)  # fmt: skip


def figures(clip: Clip) -> list[Figure]:
    """What was measured of the clip; empty when it was cut before anything was."""
    if clip.speech_seconds is None:
        return []
    gate = gate_of(clip.collection)
    return [_figure(clip, gate, one) for one in MEASURES]


def _figure(clip: Clip, gate: Gate, one: _Measure) -> Figure:
    value, threshold = getattr(clip, one.name), getattr(gate, one.threshold)
    asked = (_("at most {value}") if one.is_most else _("at least {value}")).format(value=one.text(threshold))
    missed = value is not None and (value > threshold if one.is_most else value < threshold)
    high = clip.seconds if one.name == "speech_seconds" else one.high
    measure = _Measure(**{**one.__dict__, "high": max(high, one.low + 1e-6)})
    return Figure(
        label=str(one.label),
        value="–" if value is None else one.text(value),
        share=None if value is None else measure.share(value),
        meaning=str(one.meaning),
        asked=asked,
        limit=measure.share(threshold),
        is_missed=missed,
    )


def verdict(clip: Clip) -> Verdict:
    """What holds of the clip's fitness, and why."""
    words = AuditEntry.objects.filter(subject=f"clip {clip.pk}", verb="overrule gate").select_related("actor")
    return Verdict(
        is_fit=clip.is_fit,
        reason=clip.get_unfit_display() if clip.unfit else "",
        is_overruled=overruled(clip),
        by=words.order_by("-at").first() if overruled(clip) else None,
        duplicate_of=clip.duplicate_of,
    )


@dataclass(frozen=True)
class Around:
    """The clips of the same recording and voice: those next to it, and where all lie along the recording."""

    previous: int | None
    next: int | None
    nearest: list[Clip]
    strip: list[tuple[int, float, float, bool]]


def around(clip: Clip, model: ModelVersion | None) -> Around:
    """What lies beside the clip. Reads a bounded number of rows however long the recording is."""
    beside = Clip.objects.filter(recording=clip.recording_id, channel=clip.channel, is_current=True)
    earlier = list(_told(beside.filter(start__lt=clip.start), model).order_by("-start")[:AROUND])
    later = list(_told(beside.filter(start__gt=clip.start), model).order_by("start")[:AROUND])
    all_of_it = max(clip.recording.seconds, 1e-3)
    ids = list(beside.order_by("start").values_list("pk", "start", "seconds", "is_fit")[: STRIP + 1])
    return Around(
        previous=earlier[0].pk if earlier else None,
        next=later[0].pk if later else None,
        nearest=[*reversed(earlier), *later],
        strip=[
            (pk, 1000 * start / all_of_it, max(1.5, 1000 * seconds / all_of_it - 1), is_fit)
            for pk, start, seconds, is_fit in ids
        ]
        if len(ids) <= STRIP
        else [],
    )


def _told(clips: QuerySet[Clip], model: ModelVersion | None) -> QuerySet[Clip]:
    """With the text that holds of each, or what the champion heard."""
    reference = Reference.objects.filter(clip=OuterRef("pk"), is_current=True).values("text")[:1]
    heard = Hypothesis.objects.filter(clip=OuterRef("pk"), model=model).values("text")[:1]
    return clips.annotate(true_text=Subquery(reference), heard_text=Subquery(heard), at=F("start"))
