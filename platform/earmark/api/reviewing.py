"""The review desk: what waits for a decision, all there is to decide one clip by, and the decision."""

import hashlib
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.deciding import REASONS, decide, told, version_of
from annotation.drafts import draft_of, save_draft, take_draft
from annotation.models import Annotation, RoundClip
from annotation.review_models import Decision
from annotation.review_queue import Queue, Sheet, sheet, waiting
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
from earmark.speech.errors import EarmarkError

MOST = 50
OWNER = "round__collection"


class WaitingOut(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="round_clip", help_text="of the clip's place in the round")
    clip = serializers.IntegerField()
    round = serializers.IntegerField(help_text="its number")
    reason = serializers.CharField()
    seconds = serializers.FloatField()
    language = serializers.CharField()
    dialect = serializers.CharField()


class WaitingForReview(serializers.Serializer[Any]):
    waiting = WaitingOut(many=True)


class CandidateOut(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="of the annotation")
    text = serializers.CharField()
    annotator = serializers.CharField()
    was_skipped = serializers.BooleanField()
    is_blind = serializers.BooleanField()
    quality = serializers.ListField(child=serializers.CharField())
    slips = SlipOut(many=True, help_text="what may be wrong in it")
    lead_seconds = serializers.FloatField(allow_null=True)
    may_return = serializers.BooleanField()
    at = serializers.DateTimeField()


class DecisionOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Decision.Kind.choices)
    text = serializers.CharField()
    annotation = serializers.IntegerField(allow_null=True)
    reason_code = serializers.CharField()
    note = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()


class ReferenceShown(serializers.Serializer[Any]):
    text = serializers.CharField()
    kind = serializers.CharField()


class SheetOut(serializers.Serializer[Any]):
    """Its version is in the header ETag, too. `candidates` are in an order that tells nothing of who was first."""

    id = serializers.IntegerField()
    version = serializers.CharField()
    round = serializers.IntegerField()
    waits_for = serializers.CharField(help_text="why it is shown; empty once it was decided")
    clip = ClipShown()
    heard = HeardOut(allow_null=True)
    candidates = CandidateOut(many=True)
    reference = ReferenceShown(allow_null=True)
    decisions = DecisionOut(many=True, help_text="newest first")
    chosen = serializers.JSONField(help_text="why it was asked: `reason`, `score`, `why`")
    draft = DraftOut(allow_null=True)
    suggestion = serializers.CharField(help_text="where writing begins")


class DecisionIn(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=Decision.Kind.choices)
    annotation = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="which answer is accepted or returned; else the one that holds",
    )
    text = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=10_000)
    reason_code = serializers.ChoiceField(choices=[(code, code) for code in REASONS], required=False)
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    client_seconds = Spent()


class ReviewQueue(InCollection):
    """Clips that wait for an adjudicator or a reviewer, the most urgent first; not those you labelled yourself."""

    queryset = RoundClip.objects.all()
    serializer_class = WaitingForReview
    needs = {"GET": Role.REVIEWER}

    @extend_schema(
        summary="What waits for a decision",
        responses=WaitingForReview,
        parameters=[
            OpenApiParameter("queue", OpenApiTypes.STR, enum=[one.value for one in Queue]),
            OpenApiParameter("skip", OpenApiTypes.STR, description="ids to leave out, with commas"),
            OpenApiParameter("limit", OpenApiTypes.INT, description=f"at most {MOST}"),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        asked = request.query_params.get("queue", Queue.ADJUDICATION.value)
        limit = request.query_params.get("limit", "")
        found = waiting(
            self.collection,
            Queue(asked) if asked in set(Queue) else Queue.ADJUDICATION,
            without=self.person.email,
            skip=numbers(request.query_params.get("skip", "")),
            limit=min(MOST, max(1, int(limit))) if limit.isdecimal() and len(limit) < 4 else MOST,
        )
        return Response(WaitingForReview({"waiting": found}).data)


class OfRoundClip(OfCollection):
    """One clip of a round, for reviewers."""

    queryset = RoundClip.objects.select_related("round__collection")
    owner = OWNER
    serializer_class = SheetOut
    needs = {"GET": Role.REVIEWER, "PUT": Role.REVIEWER, "POST": Role.REVIEWER}


class ReviewSheet(OfRoundClip):
    """All there is to decide one clip by."""

    @extend_schema(summary="One clip to decide", responses=SheetOut)
    def get(self, request: Request, pk: int) -> Response:
        row: RoundClip = self.get_object()
        found = sheet(row.round.collection, row.pk)
        draft = draft_of(clip_id=row.clip_id, user=self.person)
        shown = {**sheet_shown(found), "draft": draft_shown(draft)}
        return tagged(SheetOut(shown).data, found.version)


class ReviewDraft(OfRoundClip):
    """What you are writing about the clip, kept for you alone until you decide."""

    @extend_schema(summary="Save a draft", request=DraftIn, responses=DraftOut, parameters=[IF_MATCH])
    def put(self, request: Request, pk: int) -> Response:
        version = seen(request)
        sent = DraftIn(data=request.data)
        sent.is_valid(raise_exception=True)
        row: RoundClip = self.get_object()
        draft = save_draft(
            clip_id=row.clip_id,
            user=self.person,
            expected=version,
            held=version_of(row.pk),
            **sent.validated_data,
        )
        return tagged(DraftOut(draft_shown(draft)).data, version)


class ReviewDecisions(OfRoundClip):
    """Decide."""

    @extend_schema(
        summary="Decide about a clip",
        request=DecisionIn,
        responses={201: DecisionOut},
        parameters=[IF_MATCH],
    )
    def post(self, request: Request, pk: int) -> Response:
        version = seen(request)
        sent = DecisionIn(data=request.data)
        sent.is_valid(raise_exception=True)
        row: RoundClip = self.get_object()
        wanted = dict(sent.validated_data)
        chosen = wanted.pop("annotation", None)
        with transaction.atomic():
            made = decide(
                round_clip=row,
                expected=version,
                by=self.person,
                annotation=_answer(row, chosen) if chosen else None,
                server_seconds=take_draft(clip_id=row.clip_id, user=self.person, now=timezone.now()),
                **wanted,
            )
        return tagged(DecisionOut(told(made)).data, version_of(row.pk), status.HTTP_201_CREATED)


def _answer(row: RoundClip, pk: int) -> Annotation:
    found = row.annotations.filter(pk=pk, deleted_at=None).first()
    if found is None:
        raise EarmarkError(
            "annotation:decision:stale",
            f"Clip {row.clip_id} has no answer {pk} any more.",
            "Look at it again and decide anew.",
        )
    return found


def sheet_shown(found: Sheet) -> dict[str, Any]:
    """A sheet as plain values, without the draft."""
    row = found.round_clip
    candidates = sorted(found.answers, key=lambda one: _shuffled(row.pk, one.pk))
    texts = [one.text for one in candidates if one.text]
    return {
        "id": row.pk,
        "version": found.version,
        "round": row.round.number,
        "waits_for": found.reason,
        "clip": clip_shown(found.clip),
        "heard": heard_shown(found.clip, found.hypothesis),
        "candidates": [_candidate(one) for one in candidates],
        "reference": found.reference and {"text": found.reference.text, "kind": found.reference.kind},
        "decisions": [told(one) for one in found.decisions],
        "chosen": {"reason": row.reason, "score": row.score, "why": row.why},
        "suggestion": (
            found.reference.text if found.reference
            else texts[0] if texts
            else found.hypothesis.text if found.hypothesis else ""
        ),
    }  # fmt: skip


def _candidate(one: Annotation) -> dict[str, Any]:
    return {
        "id": one.pk,
        "text": one.text,
        "annotator": one.annotator,
        "was_skipped": one.was_skipped,
        "is_blind": one.is_blind,
        "quality": one.quality,
        "slips": [slip_shown(slip, is_own=False) for slip in one.slips],
        "lead_seconds": one.lead_seconds,
        "may_return": one.of_pass_id is not None,
        "at": one.updated_at,
    }


def _shuffled(row: int, answer: int) -> bytes:
    """An order that is always the same and says nothing of who was first."""
    return hashlib.sha256(f"{row} {answer}".encode()).digest()
