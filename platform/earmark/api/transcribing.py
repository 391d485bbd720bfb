"""The annotator's desk: the passes that wait for you, one of them to answer here, and the answer."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.desk import PAGE, done_today, passes_for
from annotation.drafts import draft_of, save_draft, take_draft
from annotation.models import Annotation
from annotation.project import CHOICES
from annotation.routing_models import Pass
from annotation.transcribing import annotator_of, require_taking, submit_answer, version_of_pass
from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection
from earmark.api.preconditions import IF_MATCH, seen, tagged
from earmark.api.shown_clips import (
    ClipShown,
    DraftIn,
    DraftOut,
    HeardOut,
    SlipOut,
    Spent,
    clip_shown,
    draft_shown,
    heard_shown,
    numbers,
    slip_shown,
)
from earmark.corpus.models import Clip


class WaitingPass(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    clip = serializers.IntegerField(source="round_clip.clip_id")
    round = serializers.IntegerField(source="round.number")
    seconds = serializers.FloatField(source="round_clip.clip.seconds")
    language = serializers.CharField(source="round_clip.clip.language")
    dialect = serializers.CharField(source="round_clip.clip.dialect")
    is_blind = serializers.BooleanField()
    returned_code = serializers.CharField(help_text="why a reviewer gave it back; empty where none did")
    returned_note = serializers.CharField()


class TodayOut(serializers.Serializer[Any]):
    clips = serializers.IntegerField()
    seconds = serializers.FloatField(help_text="of audio, since midnight UTC")
    target_seconds = serializers.FloatField(allow_null=True)


class DeskOut(serializers.Serializer[Any]):
    today = TodayOut()
    waiting = WaitingPass(many=True, help_text="what was returned first, then in the order of the queue")


class ReturnedOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    note = serializers.CharField()
    at = serializers.DateTimeField()


class PassShown(serializers.Serializer[Any]):
    """Its version is in the header ETag, too. A blind pass tells nothing of what was heard."""

    id = serializers.IntegerField()
    version = serializers.CharField()
    round = serializers.IntegerField()
    clip = ClipShown()
    is_blind = serializers.BooleanField()
    is_waiting = serializers.BooleanField()
    heard = HeardOut(allow_null=True)
    returned = ReturnedOut(allow_null=True)
    own = serializers.CharField(allow_null=True, help_text="what you submitted before")
    quality = serializers.ListField(child=serializers.CharField())
    slips = SlipOut(many=True, help_text="what may be wrong in what you submitted before")
    draft = DraftOut(allow_null=True)
    suggestion = serializers.CharField(help_text="where writing begins")


class AnswerIn(serializers.Serializer[Any]):
    text = serializers.CharField(allow_blank=True, max_length=10_000, default="")
    quality = serializers.ListField(
        child=serializers.ChoiceField(choices=[(one.code, one.code) for one in CHOICES]), default=list
    )
    was_skipped = serializers.BooleanField(default=False)
    client_seconds = Spent()


class AnswerOut(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="of the annotation")
    text = serializers.CharField()
    today = TodayOut()


class OwnDesk(InCollection):
    """Your own desk: what you did today and what waits for you."""

    queryset = Pass.objects.all()
    serializer_class = DeskOut
    needs = {"GET": Role.ANNOTATOR}

    @extend_schema(
        summary="Your desk",
        responses=DeskOut,
        parameters=[
            OpenApiParameter("skip", OpenApiTypes.STR, description="ids of passes to leave out, with commas")
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        annotator = annotator_of(self.collection, self.person)
        skip = numbers(request.query_params.get("skip", ""))
        found = {
            "today": done_today(self.collection, self.person, annotator),
            "waiting": passes_for(self.collection, self.person, annotator, skip=skip, limit=PAGE),
        }
        return Response(DeskOut(found).data)


class OfPass(OfCollection):
    """One pass, for the person it is assigned to, or for any annotator where it is anyone's."""

    queryset = Pass.objects.select_related("round__collection", "round_clip__hypothesis__model")
    owner = "round__collection"
    serializer_class = PassShown
    needs = {"GET": Role.ANNOTATOR, "PUT": Role.ANNOTATOR, "POST": Role.ANNOTATOR}

    def theirs(self) -> Pass:
        """Raises EarmarkError `annotation:pass:not-yours`."""
        one: Pass = self.get_object()
        require_taking(one, annotator_of(one.round.collection, self.person))
        return one


class OnePass(OfPass):
    """A pass with all there is to answer it by."""

    @extend_schema(summary="One pass to answer", responses=PassShown)
    def get(self, request: Request, pk: int) -> Response:
        one = self.theirs()
        draft = draft_of(clip_id=one.round_clip.clip_id, user=self.person)
        shown = {**pass_shown(one), "draft": draft_shown(draft)}
        return tagged(PassShown(shown).data, shown["version"])


class PassDraft(OfPass):
    """What you are writing, kept for you alone until you submit."""

    @extend_schema(summary="Save a draft", request=DraftIn, responses=DraftOut, parameters=[IF_MATCH])
    def put(self, request: Request, pk: int) -> Response:
        version = seen(request)
        sent = DraftIn(data=request.data)
        sent.is_valid(raise_exception=True)
        one = self.theirs()
        draft = save_draft(
            clip_id=one.round_clip.clip_id,
            user=self.person,
            expected=version,
            held=version_of_pass(one),
            **sent.validated_data,
        )
        return tagged(DraftOut(draft_shown(draft)).data, version)


class PassAnswers(OfPass):
    """Answer a pass here instead of in Label Studio."""

    @extend_schema(
        summary="Answer a pass", request=AnswerIn, responses={201: AnswerOut}, parameters=[IF_MATCH]
    )
    def post(self, request: Request, pk: int) -> Response:
        version = seen(request)
        sent = AnswerIn(data=request.data)
        sent.is_valid(raise_exception=True)
        one = self.theirs()
        with transaction.atomic():
            made = submit_answer(
                of_pass=one,
                by=self.person,
                expected=version,
                server_seconds=take_draft(
                    clip_id=one.round_clip.clip_id, user=self.person, now=timezone.now()
                ),
                **sent.validated_data,
            )
        collection = one.round.collection
        told = {
            "id": made.pk,
            "text": made.text,
            "today": done_today(collection, self.person, annotator_of(collection, self.person)),
        }
        one.refresh_from_db()
        return tagged(AnswerOut(told).data, version_of_pass(one), status.HTTP_201_CREATED)


def pass_shown(one: Pass) -> dict[str, Any]:
    """A pass as plain values, without the draft: nothing of other people's answers, nothing of why it is asked."""
    place = one.round_clip
    clip = Clip.objects.select_related("collection").get(pk=place.clip_id)
    hypothesis = None if one.is_blind else place.hypothesis
    own = Annotation.objects.filter(of_pass=one, deleted_at=None).order_by("-updated_at").first()
    return {
        "id": one.pk,
        "version": version_of_pass(one),
        "round": one.round.number,
        "clip": clip_shown(clip),
        "is_blind": one.is_blind,
        "is_waiting": one.status == Pass.Status.WAITING,
        "heard": heard_shown(clip, hypothesis),
        "returned": one.returned_at
        and {"code": one.returned_code, "note": one.returned_note, "at": one.returned_at},
        "own": own.text if own else None,
        "quality": own.quality if own else [],
        "slips": [slip_shown(slip, is_own=True) for slip in own.slips] if own else [],
        "suggestion": own.text if own else hypothesis.text if hypothesis else "",
    }
