"""Every refusal of the REST interface in one form: `application/problem+json` with a stable `error_id`."""

import logging
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

STATUS_OF_ENDING = {
    **dict.fromkeys(("unreachable", "unavailable", "no-key"), status.HTTP_503_SERVICE_UNAVAILABLE),
    **dict.fromkeys(
        (
            "busy", "closed", "empty", "finished", "first", "in-use", "leak", "mismatch", "missing", "name_taken",
            "no-change", "not-open", "not-ready", "nothing-failed", "nothing-to-ask", "offset", "overtaken", "undone",
            "unevaluated", "unfinished", "untested",
        ),
        status.HTTP_409_CONFLICT,
    ),
    **dict.fromkeys(("too-large", "too-long"), status.HTTP_413_REQUEST_ENTITY_TOO_LARGE),
    **dict.fromkeys(("no-space", "quota"), status.HTTP_507_INSUFFICIENT_STORAGE),
    "media-type": status.HTTP_415_UNSUPPORTED_MEDIA_TYPE,
    **dict.fromkeys(("stale", "version"), status.HTTP_412_PRECONDITION_FAILED),
    "needed": status.HTTP_428_PRECONDITION_REQUIRED,
    "not-yours": status.HTTP_403_FORBIDDEN,
}  # fmt: skip
"""HTTP status by the last word of an `error_id`; every other EarmarkError is 400."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a refused request is told: RFC 9457's `status` and `detail`, our `error_id` and `hint`, fields at fault."""

    status: int
    error_id: str
    detail: str
    hint: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        told = {"status": self.status, "error_id": self.error_id, "detail": self.detail, "hint": self.hint}
        return {**told, "fields": self.fields} if self.fields else told


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """Django REST framework's exception handler: every error becomes a Problem; an unforeseen one is logged."""
    problem = problem_of(error)
    if problem.status >= status.HTTP_500_INTERNAL_SERVER_ERROR:
        log.error("%s: %s", problem.error_id, error, exc_info=error)
    set_rollback()
    return Response(problem.body(), status=problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def problem_of(error: Exception) -> Problem:
    """The Problem that says what `error` means to the caller."""
    match error:
        case EarmarkError():
            return Problem(
                status=status_of(error.error_id),
                error_id=error.error_id,
                detail=error.message,
                hint=error.hint,
            )
        case Http404():
            return _of_framework(exceptions.NotFound())
        case PermissionDenied():
            return _of_framework(exceptions.PermissionDenied(*error.args))
        case SuspiciousOperation():
            return Problem(status=400, error_id="api:request:refused", detail=str(error))
        case exceptions.APIException():
            return _of_framework(error)
        case _:
            return Problem(
                status=status.HTTP_500_INTERNAL_SERVER_ERROR,
                error_id="api:unexpected",
                detail=_("Something went wrong on our side."),
                hint=_("The server's log has the trace; tell whoever runs this site."),
            )


def status_of(error_id: str) -> int:
    """HTTP status for an EarmarkError: by the last word of its id, else 400."""
    return STATUS_OF_ENDING.get(error_id.rsplit(":", 1)[-1], status.HTTP_400_BAD_REQUEST)


def _of_framework(error: exceptions.APIException) -> Problem:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    error_id, hint = _named(error)
    is_invalid = isinstance(error, exceptions.ValidationError)
    detail = _("These values were refused.") if is_invalid else str(error.detail)
    fields = error.detail if is_invalid else {}
    return Problem(
        status=error.status_code,
        error_id=error_id,
        detail=detail,
        hint=hint,
        fields=fields if isinstance(fields, dict) else {"non_field_errors": fields},
        headers=headers,
    )


def _named(error: exceptions.APIException) -> tuple[str, str]:
    """The stable id of one of the framework's errors, and what to do about it."""
    match error:
        case exceptions.ValidationError():
            return "api:request:invalid", _("See `fields` for what is wrong with each.")
        case exceptions.ParseError():
            return "api:request:unreadable", _("Send well-formed JSON, or a multipart form for files.")
        case exceptions.NotAuthenticated():
            return "api:sign-in:needed", _(
                "Send the header `Authorization: Token …`; POST /api/v1/auth/token/ gives one."
            )
        case exceptions.AuthenticationFailed():
            return "api:sign-in:refused", _("Check user name and password, or ask for a new token.")
        case exceptions.PermissionDenied():
            return "api:permission:denied", _("Ask an admin of the collection for a role that may do this.")
        case exceptions.NotFound():
            return "api:not-found", _(
                "It does not exist, or it belongs to a collection you are not a member of."
            )
        case exceptions.MethodNotAllowed():
            return "api:method:not-allowed", _("See /api/schema/ for what this address takes.")
        case exceptions.UnsupportedMediaType():
            return "api:media-type:unsupported", _("Send JSON, or a multipart form for files.")
        case exceptions.Throttled():
            return "api:throttled", _("Wait for as long as the header Retry-After says.")
        case _:
            return "api:request:refused", ""
