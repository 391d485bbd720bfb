"""Comparisons of two models: as JSON, and as a Markdown page."""

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, JobOut, accepted
from earmark.api.pagination import NewestFirst
from earmark.api.recognition import VisibleModel
from training_jobs.comparing import LONGEST_SAMPLE_SECONDS, SAMPLE_SECONDS, request_comparison
from training_jobs.comparison_markdown import markdown, of_report
from training_jobs.models import Comparison
from training_jobs.snapshots_named import snapshot_named


class ComparisonOut(serializers.ModelSerializer[Comparison]):
    job = JobOut(allow_null=True)
    options = serializers.DictField(help_text="what was asked for")

    class Meta:
        model = Comparison
        fields = ("id", "a", "b", "snapshot", "options", "job", "created_at")


class ComparisonWhole(ComparisonOut):
    report = serializers.DictField(
        help_text="error rates with intervals, overall, in noise and by slice; agreement, confusions, confidence, "
        "and what was measured; empty until the job is done"
    )

    class Meta(ComparisonOut.Meta):
        fields = (*ComparisonOut.Meta.fields, "report")  # type: ignore[assignment]


class ComparisonIn(serializers.Serializer[Any]):
    a = VisibleModel()
    b = VisibleModel()
    snapshot = serializers.CharField(
        required=False,
        max_length=64,
        help_text="first characters of its digest; the frozen test set when not given",
    )
    digits = serializers.BooleanField(
        default=False, help_text="count 二十三, twenty-three and 23 as the same"
    )
    simplified = serializers.BooleanField(
        default=False, help_text="count traditional and simplified characters as the same"
    )
    sample_seconds = serializers.FloatField(
        default=SAMPLE_SECONDS,
        min_value=1.0,
        max_value=LONGEST_SAMPLE_SECONDS,
        help_text="audio that is heard afresh to measure speed and memory",
    )


class ComparisonAccepted(Accepted):
    comparison = ComparisonOut()


class Comparisons(InCollection, generics.ListAPIView[Comparison]):
    """Comparisons of two models on frozen sets of this collection, newest first."""

    queryset = Comparison.objects.select_related("job__export").defer("report")
    serializer_class = ComparisonOut
    pagination_class = NewestFirst
    owner = "snapshot__collection"
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(
        summary="Compare two models",
        request=ComparisonIn,
        responses={202: ComparisonAccepted},
        parameters=[ONCE],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = ComparisonIn(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        wanted = dict(sent.validated_data)
        snapshot = snapshot_named(self.collection, wanted.pop("snapshot", None))
        comparison = request_comparison(snapshot=snapshot, by=self.person, **wanted)
        return accepted(self, comparison.job, comparison=self.get_serializer(comparison).data)


class AmongComparisons(OfCollection):
    """What both addresses of one comparison share."""

    owner = "snapshot__collection"
    queryset = Comparison.objects.select_related("snapshot__collection", "job__export")
    serializer_class = ComparisonWhole


class OneComparison(AmongComparisons, generics.RetrieveAPIView[Comparison]):
    """One comparison with its whole report."""


class ComparisonMarkdown(AmongComparisons):
    """One comparison as a page in Markdown."""

    @extend_schema(summary="A comparison as Markdown", responses={(200, "text/markdown"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        comparison = of_report(self.get_object())
        return HttpResponse(markdown(comparison), content_type="text/markdown; charset=utf-8")
