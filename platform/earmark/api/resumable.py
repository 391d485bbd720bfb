"""Uploads that survive a broken connection: the tus protocol, version 1.0 (https://tus.io/protocols/resumable-upload).

Core, creation, creation-with-upload, termination and expiration. What the protocol means for our rows and files is in
`corpus.uploads`; here are its headers.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any, ClassVar

from django.http import UnreadablePostError
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import Answering, InCollection, OfCollection
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.imports import ImportAccepted, ImportOut
from earmark.api.jobs import accepted
from earmark.corpus import uploads
from earmark.corpus.models import Upload
from earmark.corpus.sources import Channels
from earmark.speech.errors import EarmarkError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
BYTES = "application/offset+octet-stream"
STALLED_AFTER_SECONDS = 60.0
NEVER_KEPT = {"Cache-Control": "no-store"}


class BytesParser(BaseParser):
    """Lets a body of raw bytes through unread: the view takes it piece by piece."""

    media_type = BYTES

    def parse(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {}


def _header(name: str, kind: Any, what: str, *, required: bool = True) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, required=required, description=what)


TUS = _header("Tus-Resumable", OpenApiTypes.STR, f"`{VERSION}`, or the answer is 412")
LENGTH = _header("Upload-Length", OpenApiTypes.INT, "bytes of the whole file")
METADATA = _header(
    "Upload-Metadata",
    OpenApiTypes.STR,
    "`path`: the file's relative path, `modified`: milliseconds since 1970; each a name, a space, its value in "
    "base64, with commas between",
)
OFFSET = _header("Upload-Offset", OpenApiTypes.INT, "where the body belongs: how much is there already")


class UploadOut(serializers.ModelSerializer[Upload]):
    url = serializers.SerializerMethodField(help_text="where its bytes go")

    class Meta:
        model = Upload
        fields = ("id", "url", "path", "length", "offset", "modified")

    def get_url(self, row: Upload) -> str:
        return str(self.context["request"].build_absolute_uri(reverse("api:upload", args=[row.pk])))


class BatchImportIn(serializers.Serializer[Any]):
    manifest = serializers.CharField(required=False, allow_blank=True, help_text="path of an uploaded file")
    layout = serializers.CharField(
        required=False, allow_blank=True, help_text="kaldi, nemo ...; see the docs"
    )
    speaker_from = serializers.CharField(required=False, allow_blank=True, help_text="a pattern on the path")
    channels = serializers.ChoiceField(choices=[one.value for one in Channels], default=Channels.MIX.value)


class Tus(Answering):
    """What answers of the protocol share: its version on each, and refusal of clients that speak another."""

    needs: ClassVar[dict[str, Role]] = dict.fromkeys(
        ("GET", "POST", "PATCH", "DELETE", "OPTIONS"), Role.MANAGER
    )
    parser_classes = (BytesParser, JSONParser)
    speaks: ClassVar[tuple[str, ...]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in self.speaks and request.headers.get("Tus-Resumable") != VERSION:
            raise EarmarkError(
                "api:upload:version",
                _("The header Tus-Resumable is not {version}.").format(version=VERSION),
                _("Use a client of the tus protocol, version 1."),
            )

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers["Tus-Resumable"] = VERSION
        if answer.status_code == status.HTTP_412_PRECONDITION_FAILED or request.method == "OPTIONS":
            answer.headers["Tus-Version"] = VERSION
        return answer

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        told = {"Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(uploads.LARGEST)}
        return Response(status=status.HTTP_204_NO_CONTENT, headers=told)


class Uploads(Tus, InCollection):
    """What you are uploading to the collection."""

    queryset = Upload.objects.select_related("batch")
    serializer_class = UploadOut
    owner = "batch__collection"
    speaks = ("POST",)

    @extend_schema(summary="Files you are uploading", responses=UploadOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The files of your open upload, and how much of each is there: send the rest to its `url`."""
        rows = self.get_queryset().filter(batch__is_open=True, batch__created_by=self.person)
        return Response(self.get_serializer(rows, many=True).data, headers=NEVER_KEPT)

    @extend_schema(
        summary="Begin to upload a file",
        request={BYTES: OpenApiTypes.BINARY},
        responses={201: None},
        parameters=[TUS, LENGTH, METADATA],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Expect a file, and take the first of its bytes from the body; `Location` is where the others go."""
        about = _metadata(request.headers.get("Upload-Metadata", ""))
        upload = uploads.begin(
            batch=uploads.open_batch(collection=self.collection, by=self.person),
            path=about.get("path", ""),
            length=_count(request, "Upload-Length"),
            modified=int(about["modified"]) if about.get("modified", "").isdecimal() else 0,
        )
        if request.content_type == BYTES:
            upload = uploads.receive(upload.pk, offset=0, read=_reader(request))
        place = request.build_absolute_uri(reverse("api:upload", args=[upload.pk]))
        return Response(status=status.HTTP_201_CREATED, headers={"Location": place, **_told(upload)})

    @extend_schema(summary="Give up an upload", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Give up all the files of your open upload."""
        uploads.give_up(uploads.open_batch(collection=self.collection, by=self.person))
        return Response(status=status.HTTP_204_NO_CONTENT)


class OneUpload(Tus, OfCollection):
    """One file on its way in."""

    queryset = Upload.objects.select_related("batch__collection")
    serializer_class = UploadOut
    owner = "batch__collection"
    speaks = ("HEAD", "PATCH", "DELETE")

    def head(self, request: Request, pk: Any) -> Response:
        told = {**_told(self.target), "Upload-Length": str(self.target.length), **NEVER_KEPT}
        return Response(status=status.HTTP_200_OK, headers=told)

    @extend_schema(
        summary="Send the next bytes of a file",
        request={BYTES: OpenApiTypes.BINARY},
        responses={204: None},
        parameters=[TUS, OFFSET],
    )
    def patch(self, request: Request, pk: Any) -> Response:
        """Take the body as the bytes from `Upload-Offset` on. HEAD says how much is there; 409 that it is not that."""
        if request.content_type != BYTES:
            raise EarmarkError(
                "api:upload:media-type",
                _("The body is not {kind}.").format(kind=BYTES),
                _("Use a client of the tus protocol, version 1."),
            )
        upload = uploads.receive(pk, offset=_count(request, "Upload-Offset"), read=_reader(request))
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_told(upload))

    @extend_schema(summary="Give up one file", responses={204: None}, parameters=[TUS])
    def delete(self, request: Request, pk: Any) -> Response:
        """Give the file up, and forget its bytes."""
        uploads.terminate(self.target)
        return Response(status=status.HTTP_204_NO_CONTENT)


class UploadsImport(InCollection):
    """The end of an upload."""

    queryset = Upload.objects.none()
    serializer_class = ImportOut
    owner = "batch__collection"
    needs = {"POST": Role.MANAGER}

    @extend_schema(
        summary="Import what you uploaded",
        request=BatchImportIn,
        responses={202: ImportAccepted},
        parameters=[ONCE],
    )
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        """Make one import of the files of your open upload; all of them must be there."""
        sent = BatchImportIn(data=request.data)
        sent.is_valid(raise_exception=True)
        batch = uploads.open_batch(collection=self.collection, by=self.person)
        made, job = uploads.submit_batch(batch=batch, by=self.person, **sent.validated_data)
        return accepted(self, job, **{"import": ImportOut(made).data})


def _told(upload: Upload) -> dict[str, str]:
    told = {"Upload-Offset": str(upload.offset)}
    if upload.offset < upload.length:
        told["Upload-Expires"] = http_date(uploads.expires_at(upload).timestamp())
    return told


def _count(request: Request, name: str) -> int:
    """The header of that name, a number of bytes. Raises EarmarkError `api:upload:header`."""
    value = request.headers.get(name, "")
    if not value.isascii() or not value.isdecimal() or len(value) > 18:
        raise _bad_header(name, value)
    return int(value)


def _metadata(header: str) -> dict[str, str]:
    """What `Upload-Metadata` says: names, and values in base64. Raises EarmarkError `api:upload:header`."""
    found = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        name, _space, value = pair.partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _bad_header("Upload-Metadata", pair) from None
    return found


def _bad_header(name: str, value: str) -> EarmarkError:
    return EarmarkError(
        "api:upload:header",
        _("The header {name} cannot be {value}.").format(name=name, value=repr(value[:100])),
        _("Use a client of the tus protocol, version 1."),
    )


def _reader(request: Request) -> Callable[[int], bytes]:
    """Reads the body as it comes; where the line breaks or falls silent, it simply ends."""
    connection = request.META.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(STALLED_AFTER_SECONDS)

    def read(size: int) -> bytes:
        try:
            return request.stream.read(size) if request.stream else b""
        except (UnreadablePostError, OSError):
            return b""

    return read
