"""Trainings, their figures over time, and the models that came out of them."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Avg, F, FloatField, Max, Min, Q, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job
from earmark.recognition.models import Alias, ModelVersion
from earmark.speech.slices import slice_order
from training_jobs.comparison_table import KINDS, slice_label
from training_jobs.models import Comparison, Evaluation, TrainingJob, TrainingMetric
from training_jobs.resources import TRAINED_ENGINE

POINTS = 300
"""Most points of a curve: more than a screen shows, few enough to send every two seconds."""
LOSSES = ("loss", "pseudo_loss", "consistency_loss")
FIGURES = ("variance_ratio", "learning_rate", "gradient_norm", "samples_per_second", "gpu_bytes")
"""What is drawn beside the losses, each by itself, where the trainer reports it."""
MOST_EVENTS = 500


@dataclass(frozen=True)
class Curves:
    """A training's figures, thinned out; every list of points is `[step, value]`.

    `losses` and `figures` by their name; `stages` are `[name, first step, last step]`; `passes` are `[step, accepted,
    heard]` of each time the teacher labelled the pool; `position` grows with every new figure.
    """

    losses: dict[str, list[list[float]]]
    figures: dict[str, list[list[float]]]
    error_rate: list[list[float]]
    stages: list[list[Any]]
    passes: list[list[int]]
    position: int
    steps: int
    steps_total: int

    @property
    def best(self) -> float | None:
        """The lowest dev error rate so far."""
        return min((value for _step, value in self.error_rate), default=None)


@dataclass(frozen=True)
class Pass:
    """One time the teacher heard the pool. `expected_error` of what was accepted, and `refused`: how many for what."""

    step: int
    epoch: int
    heard: int
    accepted: int
    mean_score: float | None
    expected_error: float | None
    refused: list[tuple[str, int]]

    @property
    def share(self) -> float:
        return self.accepted / self.heard if self.heard else 0.0


@dataclass(frozen=True)
class Pause:
    """The gradients of pseudo-labels pulled apart: they were left out until the pool was heard again."""

    step: int
    epoch: int
    ratio: float | None


@dataclass(frozen=True)
class Events:
    """What happened to the pseudo-labels of a training."""

    passes: list[Pass]
    pauses: list[Pause]


@dataclass(frozen=True)
class Slice:
    """One language, dialect, band of noise or length before and after."""

    kind: str
    name: str
    clips: int
    before: float | None
    after: float

    @property
    def label(self) -> str:
        """What people call it."""
        return slice_label(self.kind, self.name)

    @property
    def kind_label(self) -> str:
        """What people call its kind."""
        return str(KINDS[self.kind])

    @property
    def change(self) -> float | None:
        return None if self.before is None else self.after - self.before


@dataclass(frozen=True)
class ModelRow:
    """A model as a collection knows it."""

    model: ModelVersion
    evaluation: Evaluation | None
    aliases: list[str] = field(default_factory=list)

    @property
    def is_champion(self) -> bool:
        return Alias.Name.CHAMPION in self.aliases

    @property
    def alias_labels(self) -> list[str]:
        return [str(Alias.Name(name).label) for name in sorted(self.aliases)]


def trainings_of(collection: Collection, limit: int = 100) -> list[TrainingJob]:
    """The newest trainings with their job, base and model."""
    rows = collection.training_jobs.select_related("job", "base", "model", "snapshot", "created_by")
    return list(rows[:limit])


def newest_position(training: TrainingJob) -> int:
    """Where the newest figure stands; -1 while there is none."""
    newest: int | None = training.metrics.aggregate(newest=Max("position"))["newest"]
    return -1 if newest is None else newest


def curves(training: TrainingJob) -> Curves:
    """Losses averaged over at most POINTS stretches of steps, every dev error rate, stages and passes; six queries.

    After a resume some steps are there twice, with the same figures; an average does not mind.
    """
    metrics = training.metrics.order_by()
    seen = metrics.aggregate(last=Max("step"), position=Max("position"))
    last = seen["last"] or 0
    newest = metrics.order_by("-position").values_list("values", flat=True).first() or {}
    drawn = _averages(metrics, max(1, -(-(last + 1) // POINTS)))
    return Curves(
        losses={name: drawn[name] for name in LOSSES},
        figures={name: drawn[name] for name in FIGURES},
        error_rate=_error_rates(metrics),
        stages=_stages(metrics),
        passes=_passes(metrics),
        position=-1 if seen["position"] is None else seen["position"],
        steps=last,
        steps_total=int(newest.get("steps_total", 0)),
    )


def _number(name: str) -> Cast:
    return Cast(KeyTextTransform(name, "values"), FloatField())


def _averages(metrics: QuerySet[TrainingMetric], width: int) -> dict[str, list[list[float]]]:
    """The figures of steps, each averaged over stretches of `width` steps by the database."""
    names = (*LOSSES, *FIGURES)
    stretches: Any = list(
        metrics.filter(values__has_key="loss")
        .annotate(stretch=F("step") / Value(width))
        .values("stretch")
        .annotate(at=Avg("step"), **{name: Avg(_number(name)) for name in names})
        .order_by("stretch")
    )
    return {
        name: [[round(row["at"], 1), float(f"{row[name]:.5g}")] for row in stretches if row[name] is not None]
        for name in names
    }


def _error_rates(metrics: QuerySet[TrainingMetric]) -> list[list[float]]:
    rows = (
        metrics.filter(values__has_key="dev_error_rate")
        .values_list("step")
        .annotate(value=Max(_number("dev_error_rate")))
        .order_by("step")
    )
    return [[step, error_rate] for step, error_rate in rows if error_rate is not None]


def _stages(metrics: QuerySet[TrainingMetric]) -> list[list[Any]]:
    spans = metrics.values_list("stage").annotate(first=Min("step"), last=Max("step")).order_by("first")
    return [list(span) for span in spans]


def _passes(metrics: QuerySet[TrainingMetric]) -> list[list[int]]:
    rows = (
        metrics.filter(values__has_key="accepted")
        .values_list("step")
        .annotate(accepted=Max(_number("accepted")), heard=Max(_number("clips")))
        .order_by("step")
    )
    return [[step, int(accepted or 0), int(heard or 0)] for step, accepted, heard in rows]


def events(training: TrainingJob) -> Events:
    """Every pass over the pool and every pause, in order; one query. What came again after a resume counts once."""
    lines = training.metrics.filter(Q(values__has_key="accepted") | Q(values__paused=True))
    found: dict[tuple[int, bool], dict[str, Any]] = {
        (step, "accepted" in values): values
        for step, values in lines.order_by("position").values_list("step", "values")[:MOST_EVENTS]
    }
    return Events(
        passes=[_pass(step, values) for (step, is_pass), values in found.items() if is_pass],
        pauses=[
            Pause(step, values.get("epoch", 0), values.get("variance_ratio"))
            for (step, is_pass), values in found.items()
            if not is_pass
        ],
    )


def _pass(step: int, values: dict[str, Any]) -> Pass:
    refused = [
        (name.removeprefix("refused_"), int(count))
        for name, count in values.items()
        if name.startswith("refused_") and count
    ]
    return Pass(
        step=step,
        epoch=values.get("epoch", 0),
        heard=int(values.get("clips") or 0),
        accepted=int(values["accepted"] or 0),
        mean_score=values.get("mean_score"),
        expected_error=values.get("expected_error"),
        refused=sorted(refused, key=lambda one: -one[1]),
    )


def offered_snapshots(collection: Collection, limit: int) -> list[Snapshot]:
    """The newest training snapshots."""
    return list(collection.snapshots.filter(purpose=Snapshot.Purpose.TRAINING)[:limit])


def offered_bases(collection: Collection, limit: int) -> list[ModelVersion]:
    """The newest models of the collection that recipes train."""
    return list(ModelVersion.objects.filter(known_in(collection), engine=TRAINED_ENGINE).distinct()[:limit])


def evaluations_of(collection: Collection) -> QuerySet[Evaluation]:
    """Every evaluation on the collection's frozen test set, oldest model first."""
    return (
        Evaluation.objects.filter(snapshot__collection=collection, snapshot__purpose=Snapshot.Purpose.TEST)
        .select_related("model", "snapshot")
        .order_by("model_id")
    )


def is_being_measured(training: TrainingJob) -> bool:
    """Whether a job is to say how good its model is on the test set."""
    if training.model_id is None:
        return False
    measuring = Job.objects.unfinished().filter(
        scope=training.collection.scope, kind="training_jobs.evaluate"
    )
    return measuring.filter(arguments__model_id=training.model_id).exists()


def slices(before: Evaluation | None, after: Evaluation) -> list[Slice]:
    """The error rates by slice beside those of the model before; bands in their order, names by the alphabet."""
    old = before.slices if before else {}
    return [
        Slice(
            kind,
            name,
            figures["clips"],
            old.get(kind, {}).get(name, {}).get("error_rate"),
            figures["error_rate"],
        )
        for kind in ("language", "dialect", "snr", "duration")
        for name, figures in sorted(after.slices.get(kind, {}).items(), key=lambda item: slice_order(item[0]))
    ]


def known_in(collection: Collection) -> Q:
    """The models that play or played a part in the collection, as a condition on ModelVersion."""
    known = Q(pk__in=collection.aliases.values("model"))
    for name in ("base_id", "model_id"):
        known |= Q(pk__in=collection.training_jobs.exclude(**{name: None}).values(name))
    known |= Q(pk__in=collection.rounds.values("model"))
    known |= Q(pk__in=Evaluation.objects.filter(snapshot__collection=collection).values("model"))
    compared = Comparison.objects.filter(snapshot__collection=collection)
    return known | Q(pk__in=compared.values("a")) | Q(pk__in=compared.values("b"))


def models_of(collection: Collection, limit: int = 100, only: int | None = None) -> list[ModelRow]:
    """The collection's models, newest first, or the one with id `only`; three queries."""
    models = ModelVersion.objects.filter(known_in(collection)).select_related("parent", "made_by")
    if only is not None:
        models = models.filter(pk=only)
    evaluations = {one.model_id: one for one in evaluations_of(collection)}
    aliases: dict[int, list[str]] = {}
    for model, name in collection.aliases.values_list("model_id", "name"):
        aliases.setdefault(model, []).append(name)
    return [ModelRow(one, evaluations.get(one.pk), aliases.get(one.pk, [])) for one in models[:limit]]
