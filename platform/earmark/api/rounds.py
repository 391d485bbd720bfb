"""Rounds and what people sent back."""

import math
import secrets
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.acquisition import DEFAULT_STRATEGY
from annotation.models import Annotation, Round, RoundClip
from annotation.queries import project_url, round_progress
from annotation.rounds import close_round, request_round, start_sync
from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection, PartsOf
from earmark.api.describing import ONCE
from earmark.api.filters import AnnotationFilter, RoundClipFilter, RoundFilter
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.api.pagination import ById, NewestFirst
from earmark.corpus.access import role_of

MOST_SECONDS = 1_000 * 3600.0
"""The largest budget of one round: a thousand hours."""


class RoundOut(serializers.ModelSerializer[Round]):
    label_studio_url = serializers.SerializerMethodField(help_text="the project, once there is one")

    class Meta:
        model = Round
        fields: tuple[str, ...] = (
            "id", "number", "status", "strategy", "budget_seconds", "audit_share", "seed", "model",
            "label_studio_url", "synced_until", "created_at", "closed_at",
        )  # fmt: skip

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_label_studio_url(self, round: Round) -> str | None:
        return project_url(round)


class RoundProgress(serializers.Serializer[Any]):
    tasks = serializers.IntegerField()
    labelled = serializers.IntegerField()
    skipped = serializers.IntegerField()
    unintelligible = serializers.IntegerField()
    waiting = serializers.IntegerField()
    returned = serializers.IntegerField(help_text="unanswered when the round was closed")
    seconds = serializers.FloatField(help_text="of audio, in all tasks")
    labelled_seconds = serializers.FloatField()


class RoundDetail(RoundOut):
    progress = serializers.SerializerMethodField(help_text="tasks by what came of them")

    class Meta(RoundOut.Meta):
        fields = (*RoundOut.Meta.fields, "progress")

    @extend_schema_field(RoundProgress)
    def get_progress(self, round: Round) -> dict[str, Any]:
        return RoundProgress(round_progress(round)).data


class Finite(serializers.FloatField):
    """A number that is one: no NaN, which no comparison refuses."""

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class RoundIn(serializers.Serializer[Any]):
    budget_seconds = Finite(
        min_value=0.1, max_value=MOST_SECONDS, help_text="of audio that people shall hear"
    )
    audit_share = Finite(min_value=0, max_value=1, default=0.1, help_text="share drawn at random")
    strategy = serializers.CharField(
        max_length=120, default=DEFAULT_STRATEGY, help_text="one of the setting ACQUISITION_STRATEGIES"
    )
    seed = serializers.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        help_text="of the random draws; drawn itself when not given",
    )


class RoundAccepted(Accepted):
    round = RoundOut()


class Rounds(InCollection, generics.ListAPIView[Round]):
    """Turns of active learning, newest first."""

    queryset = Round.objects.all()
    serializer_class = RoundOut
    filterset_class = RoundFilter
    pagination_class = NewestFirst
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(summary="Open a round", request=RoundIn, responses={202: RoundAccepted}, parameters=[ONCE])
    @once_per_key
    def post(self, request: Request, slug: str) -> Response:
        sent = RoundIn(data=request.data)
        sent.is_valid(raise_exception=True)
        wanted = {"seed": secrets.randbelow(2**31), **sent.validated_data}
        made, job = request_round(collection=self.collection, by=self.person, **wanted)
        return accepted(self, job, round=self.get_serializer(made).data)


class RoundClipOut(serializers.ModelSerializer[RoundClip]):
    task_id = serializers.SerializerMethodField(help_text="of the first pass, once Label Studio has it")

    class Meta:
        model = RoundClip
        fields = ("id", "clip", "hypothesis", "reason", "score", "why", "wanted", "task_id", "outcome")

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_task_id(self, one: RoundClip) -> int | None:
        return next((each.task_id for each in one.passes.all() if each.number == 1), None)


class AnnotationOut(serializers.ModelSerializer[Annotation]):
    clip = serializers.IntegerField(source="round_clip.clip_id", read_only=True)
    round = serializers.IntegerField(source="round_clip.round_id", read_only=True)

    class Meta:
        model = Annotation
        fields = (
            "id", "clip", "round", "annotator", "text", "was_skipped", "quality", "lead_seconds", "hypothesis",
            "created_at", "updated_at", "deleted_at",
        )  # fmt: skip


class OneRound(OfCollection, generics.RetrieveAPIView[Round]):
    """One round and how far people are with it."""

    queryset = Round.objects.select_related("collection")
    serializer_class = RoundDetail


class RoundClips(PartsOf, generics.ListAPIView[RoundClip]):
    """The clips of a round, why each was chosen, and its task in Label Studio."""

    whole = Round.objects.select_related("collection")
    part_of = "round"
    target: Round
    queryset = RoundClip.objects.prefetch_related("passes")
    serializer_class = RoundClipOut
    filterset_class = RoundClipFilter
    pagination_class = ById

    def get_queryset(self) -> QuerySet[RoundClip]:
        """Clips whose answer is known are hidden from those whom they measure."""
        rows = super().get_queryset()
        role = role_of(self.person, self.target.collection) if not self.is_being_described else None
        return rows if role and role.covers(Role.REVIEWER) else rows.exclude(reason=RoundClip.Reason.KNOWN)


class RoundAnnotations(PartsOf, generics.ListAPIView[Annotation]):
    """What people sent back in one round."""

    whole = Round.objects.select_related("collection")
    part_of = "round_clip__round"
    queryset = Annotation.objects.select_related("round_clip")
    serializer_class = AnnotationOut
    filterset_class = AnnotationFilter
    pagination_class = ById


class Annotations(InCollection, generics.ListAPIView[Annotation]):
    """What people sent back, in every round of the collection."""

    queryset = Annotation.objects.select_related("round_clip")
    serializer_class = AnnotationOut
    filterset_class = AnnotationFilter
    pagination_class = ById
    owner = "round_clip__round__collection"


class RoundSync(OfCollection):
    """Fetch from Label Studio what people have submitted."""

    queryset = Round.objects.select_related("collection")
    serializer_class = RoundOut
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Sync a round", request=None, responses={202: Accepted}, parameters=[ONCE])
    @once_per_key
    def post(self, request: Request, pk: int) -> Response:
        return accepted(self, start_sync(round=self.get_object()))


class RoundClose(OfCollection):
    """End a round: what nobody labelled goes back to the pool."""

    queryset = Round.objects.select_related("collection")
    serializer_class = RoundOut
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Close a round", request=None, responses=RoundOut)
    def post(self, request: Request, pk: int) -> Response:
        round: Round = self.get_object()
        close_round(round=round, by=self.person)
        round.refresh_from_db()
        return Response(self.get_serializer(round).data)
