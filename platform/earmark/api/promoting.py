"""Who is champion, and why: promotions, and going back."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection
from earmark.api.pagination import NewestFirst
from earmark.api.recognition import AliasOut, ModelOut, VisibleModel
from earmark.corpus.access import require
from earmark.loop.models import Promotion
from earmark.loop.promotion import LONGEST_REASON, promote_for_reason, promote_if_better, roll_back
from earmark.loop.saying import said
from earmark.recognition.models import Alias
from earmark.recognition.registry import set_alias


class PromotionOut(serializers.ModelSerializer[Promotion]):
    model = ModelOut()
    by = serializers.CharField(source="by.username", default=None, allow_null=True)
    why = serializers.SerializerMethodField(help_text="the verdict, or the reason, in words")
    is_change = serializers.BooleanField(help_text="whether the champion is another since")
    verdict = serializers.DictField(
        help_text="before, after, change with low and high (95 % paired bootstrap by speaker or clip), is_better, "
        "promote, and slices with chance and is_worse; empty where nothing was compared"
    )

    class Meta:
        model = Promotion
        fields = (
            "id", "model", "before", "outcome", "is_change", "why", "reason", "verdict", "snapshot", "is_automatic",
            "by", "at",
        )  # fmt: skip

    def get_why(self, row: Promotion) -> str:
        return said(row)


class PromotionIn(serializers.Serializer[Any]):
    model = VisibleModel()
    reason = serializers.CharField(
        default="",
        max_length=LONGEST_REASON,
        help_text="promote whatever the test set says; for admins, kept and shown",
    )


class Promotions(InCollection, generics.ListAPIView[Promotion]):
    """Every model that was judged or promoted in the collection, newest first."""

    queryset = Promotion.objects.select_related("model", "by")
    serializer_class = PromotionOut
    pagination_class = NewestFirst
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(summary="Promote a model if it is better", request=PromotionIn, responses=PromotionOut)
    def post(self, request: Request, slug: str) -> Response:
        """Judged clip by clip against the champion on the frozen test set; not better, it stays as challenger."""
        sent = PromotionIn(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        model, reason = sent.validated_data["model"], sent.validated_data["reason"]
        if reason:
            require(self.person, self.collection, Role.ADMIN)
            row = promote_for_reason(collection=self.collection, model=model, reason=reason, by=self.person)
        else:
            row = promote_if_better(collection=self.collection, model=model, by=self.person)
        return Response(self.get_serializer(row).data)


class RollBackIn(serializers.Serializer[Any]):
    reason = serializers.CharField(default="", allow_blank=True, max_length=LONGEST_REASON)


class RollBack(InCollection):
    """Give the place back to the champion before this one."""

    queryset = Promotion.objects.all()
    serializer_class = PromotionOut
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Roll back to the champion before", request=RollBackIn, responses=PromotionOut)
    def post(self, request: Request, slug: str) -> Response:
        sent = RollBackIn(data=request.data)
        sent.is_valid(raise_exception=True)
        row = roll_back(collection=self.collection, by=self.person, **sent.validated_data)
        return Response(self.get_serializer(row).data)


class ChallengerIn(serializers.Serializer[Any]):
    model = VisibleModel()


class Challenger(InCollection):
    """Give a model the part of the challenger: it hears beside the champion where it is asked to."""

    queryset = Alias.objects.all()
    serializer_class = AliasOut
    needs = {"PUT": Role.MANAGER}

    @extend_schema(summary="Make a model the challenger", request=ChallengerIn, responses=AliasOut)
    def put(self, request: Request, slug: str) -> Response:
        sent = ChallengerIn(data=request.data, context=self.get_serializer_context())
        sent.is_valid(raise_exception=True)
        alias = set_alias(
            collection=self.collection,
            name=Alias.Name.CHALLENGER,
            model=sent.validated_data["model"],
            by=self.person,
        )
        return Response(self.get_serializer(alias).data)
