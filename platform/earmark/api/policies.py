"""The loop by itself: what is switched on, what it waits for, what it did."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.roles import Role
from earmark.api.access import InCollection
from earmark.api.pagination import NewestFirst
from earmark.loop.deciding import Act
from earmark.loop.models import Policy, PolicyAct
from earmark.loop.policies import SETTINGS, SWITCHES, policy_of, set_policy, settings_of
from earmark.loop.telling import act_in_words, standing_in_words
from earmark.loop.turning import standing


def _field(name: str, *, required: bool) -> serializers.Field[Any, Any, Any, Any]:
    if name in SWITCHES:
        return serializers.BooleanField(required=required)
    if name == "overrides":
        return serializers.DictField(required=required, help_text="settings of the recipe to change")
    if name in ("recipe", "strategy"):
        return serializers.CharField(required=required)
    return serializers.FloatField(required=required)


PolicyIn = inline_serializer("PolicyChanges", {name: _field(name, required=False) for name in SETTINGS})
PolicyOut = inline_serializer(
    "Policy",
    {
        **{name: _field(name, required=True) for name in SETTINGS},
        "standing": serializers.DictField(
            child=serializers.CharField(),
            help_text="what each rule waits for; under `next`, what is done next",
        ),
        "held_error": serializers.CharField(help_text="why an act failed, while it is held"),
    },
)


class CollectionPolicy(InCollection):
    """What the loop of the collection does by itself."""

    queryset = Policy.objects.all()
    needs = {"GET": Role.VIEWER, "PUT": Role.ADMIN}

    @extend_schema(summary="Read the policy", responses=PolicyOut)
    def get(self, request: Request, slug: str) -> Response:
        return Response(_told(policy_of(self.collection)))

    @extend_schema(summary="Change the policy", request=PolicyIn, responses=PolicyOut)
    def put(self, request: Request, slug: str) -> Response:
        """What is not named stays. Minutes are of audio; `stop_gain` is in points of error rate per labelled hour."""
        if not isinstance(request.data, dict):
            raise serializers.ValidationError("Send a JSON object.")
        return Response(_told(set_policy(collection=self.collection, changes=request.data, by=self.person)))


def _told(policy: Policy) -> dict[str, Any]:
    return {
        **settings_of(policy),
        "standing": standing_in_words(standing(policy.collection)),
        "held_error": policy.held_error,
    }


class PolicyActOut(serializers.ModelSerializer[PolicyAct]):
    act = serializers.ChoiceField(choices=[str(one) for one in Act])
    details = serializers.DictField(help_text="the training, round, promotion or job it made")
    told = serializers.SerializerMethodField(help_text="in words")

    class Meta:
        model = PolicyAct
        fields = ("id", "act", "details", "told", "at")

    def get_told(self, row: PolicyAct) -> str:
        return act_in_words(row)


class PolicyActs(InCollection, generics.ListAPIView[PolicyAct]):
    """What the loop did by itself, newest first."""

    queryset = PolicyAct.objects.all()
    serializer_class = PolicyActOut
    pagination_class = NewestFirst
