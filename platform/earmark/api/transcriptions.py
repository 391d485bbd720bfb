"""Having clips heard: runs, how far they are, and their end."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.api.pagination import NewestFirst
from earmark.api.recognition import ModelOut, VisibleModel
from earmark.jobs.models import Status
from earmark.recognition.planning import NARROWED_BY
from earmark.recognition.run_models import TranscriptionRun
from earmark.recognition.runs import Figures, cancel_run, figures, submit_transcription
from earmark.recognition.transcription import Only


class TranscriptionIn(serializers.Serializer[Any]):
    model = VisibleModel(required=False, help_text="the champion when not given")
    only = serializers.ChoiceField(choices=[str(each) for each in Only], default=str(Only.POOL))
    language = serializers.CharField(required=False, max_length=10, help_text="clips of this language alone")
    dialect = serializers.CharField(required=False, max_length=60, help_text="clips of this dialect alone")
    recording = serializers.IntegerField(
        required=False, min_value=1, help_text="clips of this recording alone"
    )
    brought_by = serializers.IntegerField(required=False, min_value=1, help_text="clips of this import alone")
    own_language = serializers.BooleanField(
        default=True, help_text="ask for each clip's own language where the model knows it"
    )
    is_urgent = serializers.BooleanField(default=False, help_text="before every other run: somebody waits")


class FiguresOut(serializers.Serializer[Figures]):
    clips = serializers.IntegerField(help_text="clips the run was cut for")
    seconds = serializers.FloatField(help_text="seconds of audio in them")
    heard = serializers.IntegerField()
    failed = serializers.IntegerField()
    failures = serializers.DictField(child=serializers.IntegerField(), help_text="clips by error id")
    seconds_done = serializers.FloatField()
    share_done = serializers.FloatField(help_text="from 0 to 1")
    shards = serializers.IntegerField()
    shards_ended = serializers.IntegerField()
    carriers = serializers.IntegerField(help_text="workers that hear a shard of it now")
    pace = serializers.FloatField(
        allow_null=True, help_text="seconds of audio heard a second, by all workers together"
    )
    left = serializers.FloatField(allow_null=True, help_text="seconds still needed; null while nobody hears")


class TranscriptionOut(serializers.ModelSerializer[TranscriptionRun]):
    model = ModelOut()
    status = serializers.ChoiceField(source="job.status", choices=Status.choices)
    error_id = serializers.CharField(source="job.error_id")
    error = serializers.CharField(source="job.error")
    figures = serializers.SerializerMethodField()

    class Meta:
        model = TranscriptionRun
        fields = (
            "id", "model", "only", "narrowed", "own_language", "is_urgent", "queue", "status", "figures", "error_id",
            "error", "job", "created_at",
        )  # fmt: skip

    @extend_schema_field(FiguresOut)
    def get_figures(self, run: TranscriptionRun) -> dict[str, Any]:
        known: dict[int, Figures] = self.context.get("figures") or figures([run])
        return FiguresOut(known[run.pk]).data


RUNS = TranscriptionRun.objects.select_related("model", "job", "collection")


class Transcriptions(InCollection, generics.ListAPIView[TranscriptionRun]):
    """Runs in which a model hears clips."""

    queryset = RUNS
    serializer_class = TranscriptionOut
    pagination_class = NewestFirst
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    def paginate_queryset(self, queryset: Any) -> Any:
        rows = super().paginate_queryset(queryset)
        self.figures = figures(list(rows or []))
        return rows

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "figures": getattr(self, "figures", None)}

    @extend_schema(
        summary="Transcribe", request=TranscriptionIn, responses={202: Accepted}, parameters=[ONCE]
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        """Have clips heard that the model has not heard yet. The same run asked for twice is one job."""
        sent = TranscriptionIn(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        asked = dict(sent.validated_data)
        narrowed = {name: asked.pop(name) for name in NARROWED_BY if name in asked}
        job = submit_transcription(collection=self.collection, by=self.person, narrowed=narrowed, **asked)
        return accepted(self, job)


class OneTranscription(OfCollection, generics.RetrieveAPIView[TranscriptionRun]):
    """One run: how far it is, how fast, how long it still needs."""

    queryset = RUNS
    serializer_class = TranscriptionOut


class TranscriptionCancel(OfCollection):
    """Call a run off: what is heard stays, what is being heard stops at its next step."""

    queryset = RUNS
    serializer_class = TranscriptionOut
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Cancel a transcription", request=None, responses={202: TranscriptionOut})
    def post(self, request: Request, pk: int) -> Response:
        run = self.get_object()
        cancel_run(run, by=self.person)
        run.job.refresh_from_db()
        return Response(self.get_serializer(run).data, status=status.HTTP_202_ACCEPTED)
