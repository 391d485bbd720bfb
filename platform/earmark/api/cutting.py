"""How clips are cut and judged: the quality gate, a new generation, a person's word against the gate's."""

from dataclasses import asdict, fields
from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.corpus.gate import Gate, gate_of, overrule, set_thresholds
from earmark.corpus.models import Clip, Collection
from earmark.corpus.resegmenting import resegment
from earmark.speech.segmentation import SegmentationSettings


def _numbers(of: type[Gate] | type[SegmentationSettings]) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    return {field.name: serializers.FloatField(required=False) for field in fields(of)}


GateTable = inline_serializer("Gate", _numbers(Gate))
CutTable = inline_serializer("Cut", _numbers(SegmentationSettings))


class RecutAccepted(Accepted):
    generation = serializers.IntegerField()


class CollectionGate(InCollection):
    """The thresholds of the quality gate that hold in the collection."""

    queryset = Collection.objects.all()
    needs = {"GET": Role.VIEWER, "PUT": Role.MANAGER}

    @extend_schema(summary="Read the quality gate", responses=GateTable)
    def get(self, request: Request, slug: str) -> Response:
        return Response(asdict(gate_of(self.collection)))

    @extend_schema(summary="Set the quality gate", request=GateTable, responses={202: Accepted})
    def put(self, request: Request, slug: str) -> Response:
        """Thresholds that are not named follow the settings. Clips are judged again by a job."""
        return accepted(
            self, set_thresholds(collection=self.collection, thresholds=_table(request), by=self.person)
        )


class Recut(InCollection):
    """Cut the recordings again, as a new generation of clips."""

    queryset = Collection.objects.all()
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Cut again", request=CutTable, responses={202: RecutAccepted}, parameters=[ONCE])
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        """What is not named has its default. Clips that have a text or are with a person stay."""
        settings = SegmentationSettings.from_json(_table(request))
        made, job = resegment(collection=self.collection, settings=settings, by=self.person)
        return accepted(self, job, generation=made.generation)


class FitnessIn(serializers.Serializer[Any]):
    is_fit = serializers.BooleanField()
    why = serializers.CharField(max_length=500)


class ClipFitness(OfCollection):
    """A person's word on whether a clip is fit, against the gate's."""

    queryset = Clip.objects.select_related("collection")
    needs = {"POST": Role.REVIEWER}

    @extend_schema(
        summary="Overrule the gate",
        request=FitnessIn,
        responses=inline_serializer(
            "Fitness", {"is_fit": serializers.BooleanField(), "unfit": serializers.CharField()}
        ),
    )
    def post(self, request: Request, pk: int) -> Response:
        sent = FitnessIn(data=request.data)
        sent.is_valid(raise_exception=True)
        clip: Clip = self.get_object()
        overrule(clip=clip, by=self.person, **sent.validated_data)
        clip.refresh_from_db()
        return Response({"is_fit": clip.is_fit, "unfit": clip.unfit})


def _table(request: Request) -> dict[str, Any]:
    """The body, a JSON object; what is in it is judged by whoever takes it. Raises ValidationError."""
    if not isinstance(request.data, dict):
        raise serializers.ValidationError("Send a JSON object.")
    return request.data
