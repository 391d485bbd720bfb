"""Snapshots and exports."""

from typing import Any

from django.http import FileResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection, PartsOf
from earmark.api.describing import ONCE
from earmark.api.filters import SnapshotFilter, SnapshotItemFilter
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, JobOut, accepted
from earmark.api.pagination import ById, NewestFirst
from earmark.corpus.access import require
from earmark.datasets.exports import request_export
from earmark.datasets.models import Export, Snapshot, SnapshotItem
from earmark.datasets.snapshots import freeze_test_set, take_snapshot
from earmark.speech.errors import EarmarkError


class SnapshotOut(serializers.ModelSerializer[Snapshot]):
    counts = serializers.DictField(read_only=True)

    class Meta:
        model = Snapshot
        fields = ("id", "purpose", "digest", "counts", "created_at")


class SnapshotIn(serializers.Serializer[Any]):
    purpose = serializers.ChoiceField(
        choices=Snapshot.Purpose.choices,
        default=str(Snapshot.Purpose.TRAINING),
        help_text="`test` freezes the test set, once and for good: admins only",
    )


class Snapshots(InCollection, generics.ListAPIView[Snapshot]):
    """Frozen lists of clips, references and sides."""

    queryset = Snapshot.objects.all()
    serializer_class = SnapshotOut
    filterset_class = SnapshotFilter
    pagination_class = NewestFirst
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(
        summary="Freeze a snapshot", request=SnapshotIn, responses={201: SnapshotOut}, parameters=[ONCE]
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = SnapshotIn(data=request.data)
        sent.is_valid(raise_exception=True)
        is_test = sent.validated_data["purpose"] == Snapshot.Purpose.TEST
        if is_test:
            require(self.person, self.collection, Role.ADMIN)
        take = freeze_test_set if is_test else take_snapshot
        snapshot = take(collection=self.collection, by=self.person)
        return Response(self.get_serializer(snapshot).data, status=status.HTTP_201_CREATED)


class OneSnapshot(OfCollection, generics.RetrieveAPIView[Snapshot]):
    """One frozen list, by its digest and its counts."""

    queryset = Snapshot.objects.select_related("collection")
    serializer_class = SnapshotOut


class SnapshotItemOut(serializers.ModelSerializer[SnapshotItem]):
    class Meta:
        model = SnapshotItem
        fields = ("id", "clip", "split", "reference", "text")


class SnapshotItems(PartsOf, generics.ListAPIView[SnapshotItem]):
    """The clips of a snapshot, with the text held then; `text` is null where none was."""

    whole = Snapshot.objects.select_related("collection")
    part_of = "snapshot"
    queryset = SnapshotItem.objects.all()
    serializer_class = SnapshotItemOut
    filterset_class = SnapshotItemFilter
    pagination_class = ById


class ExportOut(serializers.ModelSerializer[Export]):
    job = JobOut(allow_null=True)

    class Meta:
        model = Export
        fields = ("id", "snapshot", "format", "job", "created_at")


class ExportIn(serializers.Serializer[Any]):
    snapshot = serializers.IntegerField(min_value=1, help_text="id of a snapshot of this collection")
    format = serializers.ChoiceField(choices=Export.Format.choices)


class ExportAccepted(Accepted):
    export = ExportOut()


class Exports(InCollection, generics.ListAPIView[Export]):
    """Labelled sets written as files."""

    queryset = Export.objects.select_related("job__export")
    serializer_class = ExportOut
    pagination_class = NewestFirst
    owner = "snapshot__collection"
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(
        summary="Export a snapshot's labelled set",
        request=ExportIn,
        responses={202: ExportAccepted},
        parameters=[ONCE],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = ExportIn(data=request.data)
        sent.is_valid(raise_exception=True)
        snapshot = self.collection.snapshots.filter(pk=sent.validated_data["snapshot"]).first()
        if snapshot is None:
            raise serializers.ValidationError({"snapshot": [_("This collection has no such snapshot.")]})
        export = request_export(snapshot=snapshot, format=sent.validated_data["format"], by=self.person)
        return accepted(self, export.job, export=self.get_serializer(export).data)


class OneExport(OfCollection, generics.RetrieveAPIView[Export]):
    """One export and its job."""

    queryset = Export.objects.select_related("snapshot__collection", "job__export")
    serializer_class = ExportOut
    owner = "snapshot__collection"


class ExportDownload(OfCollection):
    """The exported file, streamed: JSON lines, or a zip of a Hugging Face AudioFolder."""

    queryset = Export.objects.select_related("snapshot__collection")
    serializer_class = ExportOut
    owner = "snapshot__collection"
    needs = {"GET": Role.MANAGER}

    @extend_schema(
        summary="Download an export", responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, pk: int) -> FileResponse:
        export: Export = self.get_object()
        if not export.file:
            raise EarmarkError(
                "datasets:export:not-ready",
                _("Export {pk} is not written yet.").format(pk=pk),
                _("Watch its job until it has succeeded."),
            )
        ending = "zip" if export.format == Export.Format.AUDIOFOLDER else "jsonl"
        name = f"{export.snapshot.collection.slug}-{export.snapshot.digest[:12]}.{ending}"
        return FileResponse(export.file.open("rb"), as_attachment=True, filename=name)
