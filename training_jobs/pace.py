"""How fast trainings went here: from their own figures, for an honest guess at how long the next one takes."""

from dataclasses import dataclass
from statistics import median

from django.db.models import FloatField, Max, Min
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from earmark.recognition.models import ModelVersion
from training_jobs.models import TrainingJob
from training_jobs.recipe.presets import preset
from training_jobs.recipe.recipes import with_overrides
from training_jobs.recipe.schedules import Plan

REMEMBERED = 3
"""The newest trainings that are asked."""


@dataclass(frozen=True)
class Pace:
    """Clips a second that were trained on and heard, and how much longer the whole took than both together.

    `trainings`: how many this was measured on. `heard` is None where no pool was heard.
    """

    trained: float
    heard: float | None
    whole: float
    trainings: int

    def seconds(self, plan: Plan, *, unlabelled: int) -> float | None:
        """How long a run takes at this pace; None where it hears a pool and no pace of hearing is known."""
        clips = sum(one.steps * (one.real + one.pseudo + one.replay) for one in plan.epochs)
        passes = plan.labelling_passes * unlabelled
        if passes and self.heard is None:
            return None
        return self.whole * (clips / self.trained + (passes / self.heard if self.heard else 0.0))


def measured_pace(base: ModelVersion) -> Pace | None:
    """The pace of the newest trainings from `base` or from a model of the same ancestor; None where there are none."""
    found = [one for training in _earlier(base) if (one := _measured(training))]
    if not found:
        return None
    heard = [one.heard for one in found if one.heard]
    return Pace(
        trained=median(one.trained for one in found),
        heard=median(heard) if heard else None,
        whole=median(one.whole for one in found),
        trainings=len(found),
    )


def _earlier(base: ModelVersion) -> list[TrainingJob]:
    parents = dict(ModelVersion.objects.values_list("pk", "parent_id"))

    def root(pk: int) -> int:
        while (parent := parents.get(pk)) is not None:
            pk = parent
        return pk

    family = [pk for pk in parents if root(pk) == root(base.pk)]
    done = TrainingJob.objects.filter(base__in=family, model__isnull=False, metrics__stage="final")
    return list(done.distinct().order_by("-pk")[:REMEMBERED])


def _measured(training: TrainingJob) -> Pace | None:
    final = training.metrics.filter(stage="final").order_by("-position").first()
    seconds = float(final.values.get("train_seconds") or 0.0) if final else 0.0
    if final is None or seconds <= 0 or final.step == 0:
        return None
    trained = final.step * with_overrides(preset(training.recipe), training.overrides).batch_size / seconds
    time = Cast(KeyTextTransform("time", "values"), FloatField())
    clips = Cast(KeyTextTransform("clips", "values"), FloatField())
    span = training.metrics.aggregate(first=Min(time), last=Max(time))
    passes = list(
        training.metrics.filter(stage="pseudo")
        .order_by()
        .values("values__epoch")
        .annotate(first=Min(time), last=Max(time), clips=Max(clips))
    )
    hearing = sum((one["last"] or 0.0) - (one["first"] or 0.0) for one in passes)
    heard = sum(one["clips"] or 0.0 for one in passes)
    wall = (span["last"] or 0.0) - (span["first"] or 0.0)
    return Pace(
        trained=trained,
        heard=heard / hearing if hearing > 0 else None,
        whole=max(1.0, wall / (seconds + hearing)),
        trainings=1,
    )
