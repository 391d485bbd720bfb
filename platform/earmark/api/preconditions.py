"""`ETag` and `If-Match`: what was decided on sight of one state is not done to another."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.speech.errors import EarmarkError

IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag with which it was read. 412 when it has changed since, 428 without the header.",
)


def seen(request: Request) -> str:
    """The version the caller has seen, from `If-Match`. Raises EarmarkError `api:if-match:needed`."""
    tag = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    if not tag:
        raise EarmarkError(
            "api:if-match:needed",
            _("This may only be written by who says what they have seen of it."),
            _("Read it first, and send its ETag in the header If-Match."),
        )
    return tag


def tagged(data: dict[str, Any], version: str, code: int = status.HTTP_200_OK) -> Response:
    """An answer that carries its version."""
    return Response(data, status=code, headers={"ETag": f'"{version}"'})
