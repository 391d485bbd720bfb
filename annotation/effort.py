"""What labelling takes: seconds of people's work, what the recogniser's text saves of them, and what they cost.

Two clocks are kept apart and never added. The client's says how long the box was open (`Annotation.lead_seconds`), of
which `most_counted` a clip count: who takes longer was away. The server's says how much time went by since the same
person's answer before (`Annotation.server_seconds`), which holds loading and choosing, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.models import Count, F, FloatField, Q, QuerySet, Sum, Value
from django.db.models.functions import Least

from annotation.models import Annotation, Round, RoundClip
from annotation.plans import plan_of
from annotation.review_models import Decision, LabellingPlan
from earmark.corpus.models import Collection
from earmark.speech.resampling import resampled_sums

SLOWEST = 10.0
"""Times the clip's length that transcribing it may take without a pause: from nothing, four to ten are usual."""
MOST_ANSWERS = 20_000
"""How many answers, the newest, time saved is read from."""
FEWEST = 5
"""Answers of either kind below which no time saved is told."""


@dataclass(frozen=True)
class Work:
    """What some answers took: numbers of them, and seconds.

    `timed` answers have `client_seconds` for `timed_audio` seconds of audio, idling left out; `server_timed` ones have
    `server_seconds`.
    """

    answers: int = 0
    audio_seconds: float = 0.0
    timed: int = 0
    timed_audio: float = 0.0
    client_seconds: float = 0.0
    server_timed: int = 0
    server_seconds: float = 0.0

    @property
    def pace(self) -> float | None:
        """Seconds of work a second of audio; None where nothing was timed."""
        return self.client_seconds / self.timed_audio if self.timed_audio else None


@dataclass(frozen=True)
class Saved:
    """Correcting against transcribing from nothing: paces in seconds a second of audio, and the share of time saved.

    `share` lies within [low, high] in 95 of 100 resamples of the clips; below 0 the recogniser's text costs time.
    """

    corrected: int
    from_nothing: int
    correcting: float
    transcribing: float
    share: float
    low: float
    high: float
    seed: int


@dataclass(frozen=True)
class RoundCost:
    """What one round took and brought. Seconds of work by annotators and by reviewers."""

    number: int
    labelled: int
    labelled_seconds: float
    work: Work = field(default_factory=Work)
    review_seconds: float = 0.0
    hourly_cost: float | None = None

    @property
    def spent_seconds(self) -> float:
        """Seconds of everybody's work that were timed."""
        return self.work.client_seconds + self.review_seconds

    @property
    def hours(self) -> float:
        """Hours of everybody's work. What was not timed counts like what was."""
        timed = self.work.client_seconds
        if self.work.timed:
            timed *= self.work.answers / self.work.timed
        return (timed + self.review_seconds) / 3600

    @property
    def cost(self) -> float | None:
        """None without a price, and where labels came of work nobody timed."""
        is_timed = self.work.timed > 0 or self.review_seconds > 0 or not self.labelled
        return self.hours * self.hourly_cost if self.hourly_cost is not None and is_timed else None

    @property
    def cost_per_labelled_hour(self) -> float | None:
        """Of audio; None without a price, or with nothing labelled."""
        return (
            self.cost * 3600 / self.labelled_seconds
            if self.cost is not None and self.labelled_seconds
            else None
        )


def most_counted(clip_seconds: float, idle_seconds: float) -> float:
    """Seconds of the client's clock that count for one clip: SLOWEST times its length, and one spell of idling."""
    return SLOWEST * clip_seconds + idle_seconds


def work_by_round(collection: Collection) -> list[RoundCost]:
    """Every round's work and cost, oldest first. Three queries."""
    plan = plan_of(collection)
    work = {row.pop("round_clip__round"): Work(**row) for row in _sums(collection, plan, "round_clip__round")}
    reviewing = dict(
        Decision.objects.filter(round_clip__round__collection=collection)
        .values_list("round_clip__round")
        .annotate(Sum("client_seconds", default=0.0))
    )
    labelled = Q(clips__outcome=RoundClip.Outcome.LABELLED) & ~Q(clips__reason=RoundClip.Reason.KNOWN)
    rounds = Round.objects.filter(collection=collection).annotate(
        labelled=Count("clips", filter=labelled),
        seconds=Sum("clips__clip__seconds", filter=labelled, default=0.0),
    )
    return [
        RoundCost(
            number=row.number,
            labelled=row.labelled,
            labelled_seconds=row.seconds,
            work=work.get(row.pk, Work()),
            review_seconds=reviewing.get(row.pk, 0.0),
            hourly_cost=plan.hourly_cost,
        )
        for row in rounds.order_by("number")
    ]


def work_by_person(collection: Collection) -> dict[str, Work]:
    """Everyone's work by address. One query beside the plan's."""
    return {row.pop("annotator"): Work(**row) for row in _sums(collection, plan_of(collection), "annotator")}


def total_cost(rounds: Sequence[RoundCost]) -> RoundCost:
    """All rounds together, as number 0."""
    works = [one.work for one in rounds]
    return RoundCost(
        number=0,
        labelled=sum(one.labelled for one in rounds),
        labelled_seconds=sum(one.labelled_seconds for one in rounds),
        work=Work(*(sum(getattr(one, name) for one in works) for name in Work.__dataclass_fields__)),
        review_seconds=sum(one.review_seconds for one in rounds),
        hourly_cost=rounds[0].hourly_cost if rounds else None,
    )


def _sums(collection: Collection, plan: LabellingPlan, key: str) -> QuerySet[Annotation, dict[str, Any]]:
    """The fields of `Work` for every value of `key`, deleted answers too: they were work done."""
    clip = F("round_clip__clip__seconds")
    most = SLOWEST * clip + Value(plan.idle_seconds)
    return (
        Annotation.objects.filter(round_clip__round__collection=collection)
        .values(key)
        .annotate(
            answers=Count("id"),
            audio_seconds=Sum("round_clip__clip__seconds", default=0.0),
            timed=Count("lead_seconds"),
            timed_audio=Sum("round_clip__clip__seconds", filter=Q(lead_seconds__isnull=False), default=0.0),
            # a LEAST of nothing and a number would be the number
            client_seconds=Sum(
                Least("lead_seconds", most),
                filter=Q(lead_seconds__isnull=False),
                output_field=FloatField(),
                default=0.0,
            ),
            server_timed=Count("server_seconds"),
            server_seconds=Sum("server_seconds", default=0.0),
        )
        .order_by(key)
    )


def time_saved(collection: Collection, *, seed: int) -> Saved | None:
    """What starting from the recogniser's text saves, against clips transcribed from nothing; None where fewer than
    FEWEST answers of either kind are timed.

    First passes only: a round draws those from nothing at random (`LabellingPlan.control_share`), while second passes
    go by routing rules. Skips are left out.
    """
    plan = plan_of(collection)
    rows = Annotation.objects.filter(
        Q(of_pass=None) | Q(of_pass__number=1),
        round_clip__round__collection=collection,
        lead_seconds__isnull=False,
        was_skipped=False,
    ).order_by("-pk")
    told = list(rows.values_list("is_blind", "lead_seconds", "round_clip__clip__seconds")[:MOST_ANSWERS])
    counted = [
        (blind, min(lead or 0.0, most_counted(clip, plan.idle_seconds)), clip) for blind, lead, clip in told
    ]
    return saved(
        corrected=[(lead, clip) for blind, lead, clip in counted if not blind],
        from_nothing=[(lead, clip) for blind, lead, clip in counted if blind],
        seed=seed,
    )


def saved(
    *,
    corrected: Sequence[tuple[float, float]],
    from_nothing: Sequence[tuple[float, float]],
    seed: int,
    resamples: int = 1000,
) -> Saved | None:
    """The share of time saved from (seconds of work, seconds of audio) of each clip; see `time_saved`. Pure."""
    if min(len(corrected), len(from_nothing)) < FEWEST:
        return None
    correcting, correcting_drawn = _pace(corrected, resamples, seed)
    transcribing, transcribing_drawn = _pace(from_nothing, resamples, seed + 1)
    low, high = np.quantile(1 - correcting_drawn / transcribing_drawn, [0.025, 0.975])
    return Saved(
        corrected=len(corrected),
        from_nothing=len(from_nothing),
        correcting=correcting,
        transcribing=transcribing,
        share=1 - correcting / transcribing,
        low=float(low),
        high=float(high),
        seed=seed,
    )


def _pace(clips: Sequence[tuple[float, float]], resamples: int, seed: int) -> tuple[float, np.ndarray]:
    """Work a second of audio, and the same of every resample [resamples] of the clips; milliseconds at least 1."""
    milliseconds = np.maximum(1, np.rint(1000 * np.array(clips))).astype(np.int64)
    sums = resampled_sums([milliseconds[:, 0], milliseconds[:, 1]], resamples=resamples, seed=seed)
    work, audio = milliseconds.sum(axis=0)
    return float(work / audio), sums[:, 0] / sums[:, 1]
