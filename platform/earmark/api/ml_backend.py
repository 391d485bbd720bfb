"""Our side of Label Studio's ML backend protocol, for projects that are not ours: `/ml/<collection>/`.

Label Studio signs in with a user name and, as the password, one of that person's tokens. Its events come without
either: see `annotation.ml_events`.
"""

import secrets
import threading
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from knox.auth import TokenAuthentication
from rest_framework import exceptions, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.incidents import record_incident
from annotation.ml_events import SUBMISSIONS, believe, connect, connected, is_known_studio, start_sync
from annotation.ml_models import ConnectedProject
from annotation.ml_predictions import malformed, predict
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.accounts.sign_in import WITHIN, is_barred, record_refusal
from earmark.api.access import Answering, InCollection
from earmark.corpus.access import require
from earmark.corpus.models import Collection
from earmark.jobs.models import UNFINISHED, Status
from earmark.recognition.registry import champion
from earmark.speech.errors import EarmarkError
from training_jobs.models import TrainingJob
from training_jobs.recipe.presets import DEFAULT_PRESET
from training_jobs.services import launch

START_TRAINING = "START_TRAINING"
LARGEST_BODY = 32_000_000
WAITING_AT_ONCE = 4
"""Predictions a web process waits for at a time: of its eight threads some are left for people."""
_places = threading.BoundedSemaphore(WAITING_AT_ONCE)


class TokenAsPassword(BaseAuthentication):
    """HTTP basic authentication: a person's name, and one of their tokens."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        scheme, _space, told = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, token = b64decode(told, validate=True).decode().partition(":")
        except (Error, UnicodeDecodeError):
            raise exceptions.AuthenticationFailed(_("This is no name and no token.")) from None
        tried = name, request.META.get("REMOTE_ADDR", "")
        if is_barred(*tried):
            raise exceptions.Throttled(WITHIN.total_seconds())
        try:
            found = TokenAuthentication().authenticate_credentials(token.encode()) if colon else None
        except exceptions.AuthenticationFailed:
            found = None
        if found is None or found[0].get_username() != name:
            record_refusal(*tried)
            raise exceptions.AuthenticationFailed(_("The name and the token do not belong together."))
        return found

    def authenticate_header(self, request: Request) -> str:
        return 'Basic realm="Earmark"'


class OfMlBackend(InCollection):
    """What the addresses share. A request we do not understand is refused with an error id, and kept as an incident."""

    queryset = Collection.objects.all()
    authentication_classes = (TokenAsPassword,)
    needs: ClassVar[Mapping[str, Role]] = {"GET": Role.ANNOTATOR, "POST": Role.ANNOTATOR}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        sent = str(request.META.get("CONTENT_LENGTH") or 0)
        if not sent.isdecimal() or int(sent) > LARGEST_BODY:
            raise EarmarkError(
                "annotation:ml:too-large",
                _("The request has more than %(most)s MB.") % {"most": LARGEST_BODY // 1_000_000},
                _("Ask for fewer tasks at a time."),
            )
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, exceptions.ParseError):
            exc = malformed(_("It is no JSON."))
        if isinstance(exc, EarmarkError):
            record_incident(exc, said=self._said(), collection=self._place())
        elif isinstance(exc, exceptions.AuthenticationFailed | exceptions.NotAuthenticated):
            error = EarmarkError(
                "annotation:ml:sign-in", str(exc.detail), _("Give Label Studio a new token.")
            )
            record_incident(error, said={"address": self.request.path}, collection=self._place())
        return super().handle_exception(exc)

    def _said(self) -> Any:
        try:
            return self.request.data
        except exceptions.APIException:
            return {"address": self.request.path}

    def _place(self) -> Collection | None:
        return Collection.objects.filter(slug=self.kwargs["slug"]).first()


@extend_schema(exclude=True)
class Health(OfMlBackend):
    """Whether we are there, and whether name and token are accepted."""

    def get(self, request: Request, slug: str) -> Response:
        return Response({"status": "UP", "model_class": "Earmark"})


@extend_schema(exclude=True)
class Setup(OfMlBackend):
    """A project is connected, or asks which model answers now."""

    def post(self, request: Request, slug: str) -> Response:
        connect(collection=self.collection, person=self.person, body=request.data)
        return Response({"model_version": champion(self.collection).name})


@extend_schema(exclude=True)
class Predict(OfMlBackend):
    """Pre-transcriptions of tasks."""

    def post(self, request: Request, slug: str) -> Response:
        if not _places.acquire(timeout=1.0):
            raise EarmarkError(
                "annotation:ml:unavailable",
                _("%(n)s predictions are being waited for already.") % {"n": WAITING_AT_ONCE},
                _("Ask again in a minute; raise WEB_CONCURRENCY where this happens often."),
            )
        try:
            results = predict(collection=self.collection, person=self.person, body=request.data)
        finally:
            _places.release()
        return Response({"results": results})


@extend_schema(exclude=True)
class Webhook(OfMlBackend):
    """Something happened in a connected project, or its training button was pressed."""

    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Without a name the role is that of whoever connected the project: only a hint is taken then."""
        if isinstance(request.user, User):
            super().initial(request, *args, **kwargs)
        else:
            Answering.initial(self, request, *args, **kwargs)

    def post(self, request: Request, slug: str) -> Response:
        body = request.data
        if not isinstance(body, Mapping) or not isinstance(body.get("action"), str):
            raise malformed(_("An event has an action."))
        if not isinstance(request.user, User):
            return self._hint(body)
        if body["action"] == START_TRAINING:
            return self._train()
        row = connected(self.collection, body)
        if row is None or body["action"] not in SUBMISSIONS:
            return Response({"ignored": body["action"]})
        require(self.person, self.collection, Role.REVIEWER)
        return self._told(row) if is_known_studio(row) else Response({"taken": believe(row, body)})

    def _hint(self, body: Mapping[str, Any]) -> Response:
        row = connected(get_object_or_404(Collection, slug=self.kwargs["slug"]), body)
        if row is None or not is_known_studio(row) or body["action"] == START_TRAINING:
            raise exceptions.NotAuthenticated
        return self._told(row) if body["action"] in SUBMISSIONS else Response({"ignored": body["action"]})

    def _told(self, row: ConnectedProject) -> Response:
        start_sync(row)
        return Response({"sync": "soon"}, status=status.HTTP_202_ACCEPTED)

    def _train(self) -> Response:
        """Launch a training, unless one is under way: the button is pressed more than once."""
        require(self.person, self.collection, Role.ADMIN)
        under_way = TrainingJob.objects.filter(collection=self.collection, job__status__in=UNFINISHED).first()
        row = under_way or launch(
            collection=self.collection, recipe=DEFAULT_PRESET, seed=secrets.randbelow(2**31), by=self.person
        )
        return Response({"job": str(row.pk)}, status=status.HTTP_201_CREATED)


@extend_schema(exclude=True)
class JobStatus(OfMlBackend):
    """How far a training is that Label Studio's button launched."""

    def post(self, request: Request, slug: str) -> Response:
        told = str(request.data.get("job", "")) if isinstance(request.data, Mapping) else ""
        rows = TrainingJob.objects.filter(collection=self.collection).select_related("job")
        row = get_object_or_404(rows, pk=int(told) if told.isdecimal() and len(told) < 10 else 0)
        return Response({"job_status": _STATUS.get(row.job.status if row.job else "", "failed")})


_STATUS: Mapping[str, str] = {
    Status.QUEUED: "queued",
    Status.RUNNING: "started",
    Status.SUCCEEDED: "finished",
}
