"""What a model's confidence means in a collection: its calibrations, and asking for one."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.auditing import request_calibration
from earmark.accounts.roles import Role
from earmark.api.access import InCollection
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.api.pagination import NewestFirst
from earmark.api.recognition import VisibleModel
from earmark.recognition.calibrations import required
from earmark.recognition.models import Calibration
from earmark.recognition.registry import champion


class CalibrationOut(serializers.ModelSerializer[Calibration]):
    report = serializers.DictField(
        help_text="figures on clips it was not fitted on: auroc, ece, nce and aurc of what is calibrated, of the prior "
        "and of the plain probability of tokens, by language too; reliability and risk_coverage to draw"
    )

    class Meta:
        model = Calibration
        fields = ("id", "model", "clips", "report", "created_by", "created_at")


class CalibrationWhole(CalibrationOut):
    parameters = serializers.DictField(help_text="what the probabilities are computed from")

    class Meta(CalibrationOut.Meta):
        fields = (*CalibrationOut.Meta.fields, "parameters")  # type: ignore[assignment]


class CalibrationIn(serializers.Serializer[Any]):
    model = VisibleModel(required=False, help_text="the champion when not given")


class Calibrations(InCollection, generics.ListAPIView[Calibration]):
    """Calibrations of models in this collection, newest first; the newest of a model holds."""

    queryset = Calibration.objects.all()
    serializer_class = CalibrationOut
    pagination_class = NewestFirst
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(
        summary="Calibrate a model", request=CalibrationIn, responses={202: Accepted}, parameters=[ONCE]
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = CalibrationIn(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        model = sent.validated_data.get("model")
        return accepted(self, request_calibration(collection=self.collection, model=model, by=self.person))


class ChampionCalibration(InCollection):
    """The calibration by which clips show their confidence now; 409 while the champion has none."""

    serializer_class = CalibrationWhole

    @extend_schema(summary="The champion's calibration", responses=CalibrationWhole)
    def get(self, request: Request, slug: str) -> Response:
        row = required(self.collection, champion(self.collection))
        return Response(CalibrationWhole(row).data)
