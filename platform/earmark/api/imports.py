"""Bringing audio in, and what became of each file."""

from pathlib import Path
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection, PartsOf
from earmark.api.describing import ONCE
from earmark.api.filters import ImportFileFilter
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.api.pagination import ById, NewestFirst
from earmark.api.uploads import CLEAR_AFTER_SECONDS, laid_down
from earmark.corpus.import_roots import allowed_source
from earmark.corpus.imports import retry_failed, undo
from earmark.corpus.ingest import outcomes, submit_ingest
from earmark.corpus.models import Import, ImportFile
from earmark.corpus.sources import Channels
from earmark.jobs.services import submit


class ImportOut(serializers.ModelSerializer[Import]):
    folder = serializers.SerializerMethodField(help_text="the last part of its name")

    class Meta:
        model = Import
        fields: tuple[str, ...] = ("id", "folder", "created_at", "undone_at")

    def get_folder(self, row: Import) -> str:
        return Path(row.source).name


class ImportDetail(ImportOut):
    outcomes = serializers.SerializerMethodField(help_text="how many files were ingested, duplicate, failed")
    left_aside = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="files that are not audio by their name, counted by suffix",
    )

    class Meta(ImportOut.Meta):
        fields = (*ImportOut.Meta.fields, "outcomes", "left_aside")

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_outcomes(self, row: Import) -> dict[str, int]:
        return outcomes(row)


class ImportIn(serializers.Serializer[Any]):
    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), allow_empty=False, help_text="audio files"
    )
    manifest = serializers.FileField(
        required=False,
        help_text="CSV or JSONL with path (the file's name), speaker, language, dialect, split, text, licence",
    )


class ImportAccepted(Accepted):
    import_ = ImportOut()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        return {"import": fields.pop("import_"), **fields}


class Imports(InCollection, generics.ListAPIView[Import]):
    """Bringings-in of audio files."""

    queryset = Import.objects.all()
    serializer_class = ImportOut
    pagination_class = NewestFirst
    parser_classes = (MultiPartParser,)
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(
        summary="Upload audio files",
        request={"multipart/form-data": ImportIn},
        responses={202: ImportAccepted},
        parameters=[ONCE],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = ImportIn(data=request.data)
        sent.is_valid(raise_exception=True)
        files, manifest = sent.validated_data["files"], sent.validated_data.get("manifest")
        with laid_down(files, manifest) as upload, transaction.atomic():
            made, job = submit_ingest(
                collection=self.collection, source=upload.folder, manifest=upload.manifest, by=self.person
            )
            submit("api.clear_upload", delay_seconds=CLEAR_AFTER_SECONDS, upload=upload.name, job_id=job.pk)
        return accepted(self, job, **{"import": self.get_serializer(made).data})


class ServerImportIn(serializers.Serializer[Any]):
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=1000, help_text="a folder or archive there, or s3://bucket/prefix"
    )
    manifest = serializers.CharField(required=False, allow_blank=True, help_text="a path there")
    layout = serializers.CharField(
        required=False, allow_blank=True, help_text="kaldi, nemo ...; see the docs"
    )
    speaker_from = serializers.CharField(required=False, allow_blank=True, help_text="a pattern on the path")
    channels = serializers.ChoiceField(choices=[one.value for one in Channels], default=Channels.MIX.value)


class ImportsFromServer(InCollection):
    """Bringing in what lies on the servers."""

    queryset = Import.objects.all()
    serializer_class = ImportOut
    needs = {"POST": Role.ADMIN}

    @extend_schema(
        summary="Import from the servers",
        request=ServerImportIn,
        responses={202: ImportAccepted},
        parameters=[ONCE],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        """Import a folder below EARMARK_IMPORT_ROOTS, or a prefix of a bucket in EARMARK_IMPORT_BUCKETS."""
        sent = ServerImportIn(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = allowed_source(**sent.validated_data)
        made, job = submit_ingest(collection=self.collection, by=self.person, **asked)
        return accepted(self, job, **{"import": self.get_serializer(made).data})


class OneImport(OfCollection, generics.RetrieveAPIView[Import]):
    """One import, and how many of its files came in."""

    queryset = Import.objects.select_related("collection")
    serializer_class = ImportDetail


class ImportRetry(OfCollection):
    """Another look at what failed."""

    queryset = Import.objects.select_related("collection")
    serializer_class = Accepted
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Try the failed files again", request=None, responses={202: Accepted})
    def post(self, request: Request, pk: int) -> Response:
        """Look again at the files of an import that failed."""
        return accepted(self, retry_failed(made=self.target, by=self.person))


class ImportUndo(OfCollection):
    """The way back."""

    queryset = Import.objects.select_related("collection")
    serializer_class = Accepted
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Undo an import", request=None, responses={202: Accepted})
    def post(self, request: Request, pk: int) -> Response:
        """Take out of the collection what an import brought in; 409 when something depends on it."""
        return accepted(self, undo(made=self.target, by=self.person))


class ImportFileOut(serializers.ModelSerializer[ImportFile]):
    class Meta:
        model = ImportFile
        fields = ("id", "path", "outcome", "error_id", "error", "recording")


class ImportFiles(PartsOf, generics.ListAPIView[ImportFile]):
    """What became of each file of an import, with the reason where it failed."""

    whole = Import.objects.select_related("collection")
    part_of = "of"
    queryset = ImportFile.objects.all()
    serializer_class = ImportFileOut
    filterset_class = ImportFileFilter
    pagination_class = ById
