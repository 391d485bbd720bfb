"""Trainings and evaluations."""

from typing import Any

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection, PartsOf
from earmark.api.describing import ONCE
from earmark.api.filters import simple
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, JobOut, accepted
from earmark.api.pagination import ById, NewestFirst
from earmark.api.recognition import VisibleModel
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import test_set
from earmark.jobs.services import cancel
from earmark.speech.errors import EarmarkError
from training_jobs.models import Evaluation, TrainingJob, TrainingMetric
from training_jobs.services import launch, request_evaluation


class TrainingJobOut(serializers.ModelSerializer[TrainingJob]):
    job = JobOut(allow_null=True)
    overrides = serializers.DictField(help_text="settings of the recipe that were changed")

    class Meta:
        model = TrainingJob
        fields = ("id", "snapshot", "base", "recipe", "seed", "overrides", "model", "job", "created_at")


class TrainingJobIn(serializers.Serializer[Any]):
    recipe = serializers.CharField(max_length=60, default="article")
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=1)
    overrides = serializers.DictField(default=dict, help_text="settings of the recipe to change")
    snapshot = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text="id of a training snapshot; what is labelled now when not given",
    )


class TrainingJobAccepted(Accepted):
    training_job = TrainingJobOut()


class TrainingJobs(InCollection, generics.ListAPIView[TrainingJob]):
    """Trainings, newest first."""

    queryset = TrainingJob.objects.select_related("job__export")
    serializer_class = TrainingJobOut
    pagination_class = NewestFirst
    needs = {"GET": Role.VIEWER, "POST": Role.ADMIN}

    @extend_schema(
        summary="Launch a training",
        request=TrainingJobIn,
        responses={202: TrainingJobAccepted},
        parameters=[ONCE],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = TrainingJobIn(data=request.data)
        sent.is_valid(raise_exception=True)
        wanted = dict(sent.validated_data)
        if (pk := wanted.pop("snapshot", None)) is not None:
            wanted["snapshot"] = self._training_snapshot(pk)
        training = launch(collection=self.collection, by=self.person, **wanted)
        return accepted(self, training.job, training_job=self.get_serializer(training).data)

    def _training_snapshot(self, pk: int) -> Snapshot:
        own = self.collection.snapshots.filter(pk=pk, purpose=Snapshot.Purpose.TRAINING).first()
        if own is None:
            raise serializers.ValidationError(
                {"snapshot": [_("This collection has no training snapshot {pk}.").format(pk=pk)]}
            )
        return own


class OneTrainingJob(OfCollection, generics.RetrieveAPIView[TrainingJob]):
    """One training: what it learns from, its recipe, its job, and the model it made."""

    queryset = TrainingJob.objects.select_related("collection", "job__export")
    serializer_class = TrainingJobOut


class TrainingCancel(OfCollection):
    """Ask a training to stop: at once when it has not begun, else after it has saved where it is."""

    queryset = TrainingJob.objects.select_related("collection", "job__export")
    serializer_class = TrainingJobOut
    needs = {"POST": Role.ADMIN}

    @extend_schema(summary="Cancel a training", request=None, responses={202: TrainingJobAccepted})
    def post(self, request: Request, pk: int) -> Response:
        training: TrainingJob = self.get_object()
        if training.job is None or training.job.is_finished:
            raise EarmarkError(
                "training:job:finished",
                _("Training job {pk} is not running.").format(pk=pk),
                _("There is nothing to cancel."),
            )
        cancel(training.job)
        training.job.refresh_from_db()
        return accepted(self, training.job, training_job=self.get_serializer(training).data)


class MetricOut(serializers.ModelSerializer[TrainingMetric]):
    values = serializers.DictField(help_text="loss, dev_error_rate and whatever else that step reported")

    class Meta:
        model = TrainingMetric
        fields = ("position", "step", "stage", "values")


class ByPosition(ById):
    ordering = "position"


class TrainingMetrics(PartsOf, generics.ListAPIView[TrainingMetric]):
    """What the trainer has reported, in its order; `after` the last position seen to get only what is new."""

    whole = TrainingJob.objects.select_related("collection")
    part_of = "training_job"
    queryset = TrainingMetric.objects.all()
    serializer_class = MetricOut
    pagination_class = ByPosition
    filterset_class = simple(
        TrainingMetric, stage=filters.CharFilter(), after=filters.NumberFilter("position", lookup_expr="gt")
    )


class EvaluationOut(serializers.ModelSerializer[Evaluation]):
    slices = serializers.DictField(help_text="by language and by dialect: error_rate, units, clips")

    class Meta:
        model = Evaluation
        fields = (
            "id", "model", "snapshot", "error_rate", "low", "high", "slices", "clips", "seed", "created_at",
        )  # fmt: skip


class EvaluationIn(serializers.Serializer[Any]):
    model = VisibleModel()


class Evaluations(InCollection, generics.ListAPIView[Evaluation]):
    """Error rates on the frozen test set, each with its 95 % bootstrap interval."""

    queryset = Evaluation.objects.all()
    serializer_class = EvaluationOut
    pagination_class = NewestFirst
    owner = "snapshot__collection"
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(
        summary="Evaluate a model", request=EvaluationIn, responses={202: Accepted}, parameters=[ONCE]
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = EvaluationIn(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        snapshot = test_set(self.collection)
        if snapshot is None:
            raise EarmarkError(
                "evaluation:test-set:missing",
                _("Collection {slug} has no frozen test set.").format(slug=slug),
                _("Freeze it: POST snapshots/ with purpose `test`."),
            )
        job = request_evaluation(model=sent.validated_data["model"], snapshot=snapshot, by=self.person)
        return accepted(self, job)
