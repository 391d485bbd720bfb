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
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import test_set
from earmark.speech.errors import EarmarkError
from training_jobs.dry_run import dry_run
from training_jobs.launchers.trainer_process import tail
from training_jobs.models import Evaluation, TrainingJob, TrainingMetric
from training_jobs.preparing import folder_of
from training_jobs.recipe.presets import DEFAULT_PRESET
from training_jobs.resources import PRECISIONS, Resources
from training_jobs.services import launch, request_evaluation
from training_jobs.stopping import LONGEST_REASON, retry, stop_training


class TrainingJobOut(serializers.ModelSerializer[TrainingJob]):
    job = JobOut(allow_null=True)
    overrides = serializers.DictField(help_text="settings of the recipe that were changed")
    resources = serializers.DictField(help_text="processes and precision")
    history = serializers.ListField(
        child=serializers.DictField(), help_text="retries: when, by whom, why, and what went wrong before"
    )

    class Meta:
        model = TrainingJob
        fields = (
            "id", "snapshot", "base", "recipe", "seed", "overrides", "resources", "priority", "phase", "stop", "starts",
            "heard_at", "history", "model", "job", "created_at",
        )  # fmt: skip


class TrainingWanted(serializers.Serializer[Any]):
    recipe = serializers.CharField(max_length=60, default=DEFAULT_PRESET)
    overrides = serializers.DictField(default=dict, help_text="settings of the recipe to change")
    snapshot = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        help_text="id of a training snapshot; what is labelled now when not given",
    )
    base = VisibleModel(required=False, allow_null=True, help_text="the champion when not given")
    processes = serializers.IntegerField(default=1, min_value=1, max_value=1024)
    precision = serializers.ChoiceField(PRECISIONS, default=PRECISIONS[0])

    def asked(self, collection: Collection) -> dict[str, Any]:
        """What `launch` and `dry_run` are told; the request is valid."""
        given = dict(self.validated_data)
        resources = Resources(given.pop("processes"), given.pop("precision"))
        pk = given.pop("snapshot", None)
        snapshot = None if pk is None else _training_snapshot(collection, pk)
        return {**given, "collection": collection, "snapshot": snapshot, "resources": resources}


def _training_snapshot(collection: Collection, pk: int) -> Snapshot:
    own = collection.snapshots.filter(pk=pk, purpose=Snapshot.Purpose.TRAINING).first()
    if own is None:
        raise serializers.ValidationError(
            {"snapshot": [_("This collection has no training snapshot {pk}.").format(pk=pk)]}
        )
    return own


class TrainingJobIn(TrainingWanted):
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=1)
    priority = serializers.IntegerField(
        min_value=-1000, max_value=1000, default=0, help_text="the highest begins first"
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
        sent = TrainingJobIn(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        training = launch(by=self.person, **sent.asked(self.collection))
        return accepted(self, training.job, training_job=self.get_serializer(training).data)


class SideOut(serializers.Serializer[Any]):
    clips = serializers.IntegerField()
    seconds = serializers.FloatField(help_text="of audio")
    longest = serializers.FloatField(help_text="seconds of the longest clip")


class SidesOut(serializers.Serializer[Any]):
    labelled = SideOut()
    unlabelled = SideOut()
    dev = SideOut()


class ProblemOut(serializers.Serializer[Any]):
    level = serializers.ChoiceField(["error", "warning"], help_text="an error forbids the launch")
    error_id = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()


class TrainingDryRunOut(serializers.Serializer[Any]):
    is_possible = serializers.BooleanField()
    base = serializers.CharField(help_text="the model it would begin from")
    snapshot = serializers.IntegerField(allow_null=True, help_text="null: what is labelled now")
    recipe = serializers.CharField()
    clips = SidesOut()
    epochs = serializers.IntegerField()
    steps = serializers.IntegerField()
    labelling_passes = serializers.IntegerField(help_text="how often the unlabelled clips are heard")
    batch_size = serializers.IntegerField()
    takes_seconds = serializers.FloatField(allow_null=True, help_text="null: no training here tells")
    measured_on = serializers.IntegerField(help_text="earlier trainings that the time is worked out from")
    memory = serializers.DictField(
        child=serializers.IntegerField(), allow_null=True, help_text="bytes on each device, by part"
    )
    disk_needed = serializers.IntegerField(help_text="bytes")
    disk_free = serializers.IntegerField(help_text="bytes")
    problems = ProblemOut(many=True)


class TrainingDryRun(InCollection):
    """Look at what a training would do and what stands against it; nothing is written or queued."""

    queryset = TrainingJob.objects.all()
    serializer_class = TrainingDryRunOut
    needs = {"POST": Role.ADMIN}

    @extend_schema(
        summary="Look before launching a training",
        request=TrainingWanted,
        responses={200: TrainingDryRunOut},
    )
    def post(self, request: Request, slug: str) -> Response:
        sent = TrainingWanted(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        return Response(self.get_serializer(dry_run(**sent.asked(self.collection)).as_dict()).data)


class OneTrainingJob(OfCollection, generics.RetrieveAPIView[TrainingJob]):
    """One training: what it learns from, its recipe, its job, and the model it made."""

    queryset = TrainingJob.objects.select_related("collection", "job__export")
    serializer_class = TrainingJobOut


class TrainingStopIn(serializers.Serializer[Any]):
    hard = serializers.BooleanField(default=False, help_text="do not wait for a checkpoint")


class TrainingCancel(OfCollection):
    """Ask a training to stop: at once when it has not begun, else after it has saved where it is."""

    queryset = TrainingJob.objects.select_related("collection", "job__export")
    serializer_class = TrainingJobOut
    needs = {"POST": Role.ADMIN}

    @extend_schema(summary="Cancel a training", request=TrainingStopIn, responses={202: TrainingJobAccepted})
    def post(self, request: Request, pk: int) -> Response:
        sent = TrainingStopIn(data=request.data)
        sent.is_valid(raise_exception=True)
        training: TrainingJob = self.get_object()
        stop_training(training, hard=sent.validated_data["hard"], by=self.person)
        now = self.get_queryset().get(pk=training.pk)
        return accepted(self, now.job, training_job=self.get_serializer(now).data)


class TrainingRetryIn(serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=LONGEST_REASON, help_text="what has been mended, or why it may go well now"
    )


class TrainingRetry(OfCollection):
    """Take a training that failed or was cancelled up again, from its newest checkpoint where there is one."""

    queryset = TrainingJob.objects.select_related("collection", "job__export")
    serializer_class = TrainingJobOut
    needs = {"POST": Role.ADMIN}

    @extend_schema(
        summary="Retry a training",
        request=TrainingRetryIn,
        responses={202: TrainingJobAccepted},
        parameters=[ONCE],
    )
    @once_per_key
    def post(self, request: Request, pk: int) -> Response:
        sent = TrainingRetryIn(data=request.data)
        sent.is_valid(raise_exception=True)
        again = retry(self.get_object(), reason=sent.validated_data["reason"], by=self.person)
        return accepted(self, again.job, training_job=self.get_serializer(again).data)


class TrainingLogOut(serializers.Serializer[Any]):
    lines = serializers.ListField(child=serializers.CharField(), help_text="the last ones, the oldest first")


class TrainingLog(OfCollection):
    """The last 64 KiB of what trainer and platform wrote of a training."""

    queryset = TrainingJob.objects.select_related("collection")
    serializer_class = TrainingLogOut
    needs = {"GET": Role.MANAGER}

    @extend_schema(summary="Read a training's log", responses={200: TrainingLogOut})
    def get(self, request: Request, pk: int) -> Response:
        return Response({"lines": tail(folder_of(self.get_object()))})


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
