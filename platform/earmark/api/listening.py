"""Hear it live: give audio, ask what was heard so far, have it forgotten."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import Answering, InCollection
from earmark.corpus.access import visible_collections
from earmark.corpus.models import Collection
from earmark.jobs.models import Status
from earmark.recognition.live import MODES, Answer, answer, check_size, forget, start_listening
from earmark.recognition.live_models import Listening
from earmark.recognition.models import Alias

FORM_BYTES = 100_000
"""What a form may hold beside the audio."""


class ListeningIn(serializers.Serializer[Any]):
    audio = serializers.FileField(
        help_text="WAV, MP3, FLAC, OGG, WebM ...: at most 100 MB and 30 minutes", allow_empty_file=True
    )
    language = serializers.ChoiceField(choices=MODES, default=MODES[0])
    model = serializers.ChoiceField(
        choices=Alias.Name.choices, default=str(Alias.Name.CHAMPION), help_text="which of the collection's"
    )


class SaidWordOut(serializers.Serializer[Any]):
    text = serializers.CharField(help_text="a word, or one Chinese character; punctuation is with it")
    before = serializers.CharField(help_text="the white space before it")
    probability = serializers.FloatField(allow_null=True, help_text="of its least likely token, 0 to 1")
    start = serializers.FloatField(allow_null=True, help_text="seconds into the file")
    end = serializers.FloatField(allow_null=True)


class SaidOut(serializers.Serializer[Any]):
    text = serializers.CharField()
    language = serializers.CharField(help_text="as the model recognised it; empty where it does not tell")
    words = SaidWordOut(many=True)
    confidence = serializers.FloatField(
        allow_null=True,
        help_text="0 to 1, once the clip is final; a probability where the model is calibrated",
    )
    expected_error_rate = serializers.FloatField(allow_null=True, help_text="where the model is calibrated")
    flags = serializers.ListField(child=serializers.CharField())


class ListeningClipOut(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    start = serializers.FloatField(help_text="seconds into the file")
    seconds = serializers.FloatField()
    is_final = serializers.BooleanField(help_text="false while the text still grows")
    said = SaidOut()


class ListeningOut(serializers.Serializer[Any]):
    """How far it is. Ask again, with `after` the number of final clips you have, until `status` is final."""

    key = serializers.UUIDField(source="listening.key")
    name = serializers.CharField(source="listening.name")
    language = serializers.CharField(source="listening.language")
    model = serializers.CharField(source="listening.model.name")
    status = serializers.ChoiceField(choices=Status.choices)
    progress = serializers.FloatField(help_text="from 0 to 1")
    running_before = serializers.IntegerField(
        help_text="other work the recognisers are at while it is queued"
    )
    seconds = serializers.FloatField(source="listening.seconds", allow_null=True)
    clips = serializers.IntegerField(source="listening.clips", allow_null=True)
    took_seconds = serializers.FloatField(allow_null=True, help_text="from the first look at the audio on")
    text = serializers.CharField(help_text="of the clips below, a line each")
    heard = ListeningClipOut(many=True)
    error_id = serializers.CharField()
    error = serializers.CharField()


class Listenings(InCollection):
    """Let the recogniser hear something that is no part of the corpus."""

    queryset = Collection.objects.all()
    serializer_class = ListeningIn
    parser_classes = (MultiPartParser,)
    needs = {"POST": Role.VIEWER}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what is too large before a byte of it is read."""
        sent = str(request.META.get("CONTENT_LENGTH") or 0)
        check_size(max(1, int(sent) - FORM_BYTES if sent.isdecimal() else 0))
        super().initial(request, *args, **kwargs)

    @extend_schema(
        summary="Hear audio",
        request={"multipart/form-data": ListeningIn},
        responses={202: ListeningOut},
    )
    def post(self, request: Request, slug: str) -> Response:
        """It is kept for an hour at most, seen by nobody else, and enters no corpus."""
        sent = ListeningIn(data=request.data)
        sent.is_valid(raise_exception=True)
        audio = sent.validated_data["audio"]
        one = start_listening(
            collection=self.collection,
            by=self.person,
            audio=audio.file,
            size=audio.size,
            name=audio.name,
            language=sent.validated_data["language"],
            alias=sent.validated_data["model"],
        )
        return _told(answer(one), status.HTTP_202_ACCEPTED)


class OneListening(Answering):
    """What is heard so far. Only who gave the audio sees it."""

    queryset = Listening.objects.all()
    serializer_class = ListeningOut

    def get_queryset(self) -> QuerySet[Listening]:
        if self.is_being_described:
            return Listening.objects.none()
        own = Listening.objects.filter(
            created_by=self.person, collection__in=visible_collections(self.person)
        )
        return own.select_related("model", "job")

    @extend_schema(
        summary="Read what is heard",
        responses=ListeningOut,
        parameters=[
            OpenApiParameter("after", OpenApiTypes.INT, description="leave out the clips before this number")
        ],
    )
    def get(self, request: Request, key: str) -> Response:
        after = request.query_params.get("after", "0")
        one = get_object_or_404(self.get_queryset(), key=key)
        return _told(answer(one, after=min(int(after), 10**6) if after.isdecimal() else 0))

    @extend_schema(summary="Stop and forget", responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        forget(get_object_or_404(self.get_queryset(), key=key))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _told(said: Answer, code: int = status.HTTP_200_OK) -> Response:
    return Response(ListeningOut(said).data, status=code)
