"""How a collection is labelled, and whose account in Label Studio is whose."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import label_studio
from annotation.accounts_mapping import accounts_of, map_by_hand, unmapped_submitters
from annotation.invitations import invite, token_of
from annotation.ml_events import submissions_of
from annotation.ml_models import ConnectedProject
from annotation.plans import RANGES, SETTINGS, plan_of, set_plan, settings_of
from annotation.review_models import LabellingPlan
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.api.access import InCollection
from earmark.corpus.models import Collection


def _field(name: str, *, required: bool) -> serializers.Field[Any, Any, Any, Any]:
    if name in RANGES:
        return serializers.FloatField(required=required, allow_null=RANGES[name].may_be_empty)
    return serializers.CharField(required=required)


PlanIn = inline_serializer("LabellingPlanChanges", {name: _field(name, required=False) for name in SETTINGS})
PlanOut = inline_serializer("LabellingPlan", {name: _field(name, required=True) for name in SETTINGS})


class Plan(InCollection):
    """What annotators are told, how their work is checked, and what an hour of it costs."""

    queryset = LabellingPlan.objects.all()
    needs = {"GET": Role.VIEWER, "PUT": Role.MANAGER}

    @extend_schema(summary="Read the labelling plan", responses=PlanOut)
    def get(self, request: Request, slug: str) -> Response:
        return Response(settings_of(plan_of(self.collection)))

    @extend_schema(summary="Change the labelling plan", request=PlanIn, responses=PlanOut)
    def put(self, request: Request, slug: str) -> Response:
        """What is not named stays. `known_share` and `control_share` are at most 0.5; `glossary` has a term a line."""
        if not isinstance(request.data, dict):
            raise serializers.ValidationError("Send a JSON object.")
        return Response(
            settings_of(set_plan(collection=self.collection, changes=request.data, by=self.person))
        )


class AccountOut(serializers.Serializer[Any]):
    username = serializers.CharField(source="user.username")
    email = serializers.CharField(source="user.email")
    label_studio_user = serializers.SerializerMethodField(
        help_text="its number there, null without an account"
    )
    label_studio_address = serializers.SerializerMethodField()
    invited_until = serializers.SerializerMethodField(help_text="while an invitation waits for them")

    def get_label_studio_user(self, one: Any) -> int | None:
        return one.annotator.studio_user if one.annotator else None

    def get_label_studio_address(self, one: Any) -> str:
        return str(one.annotator.studio_email) if one.annotator else ""

    def get_invited_until(self, one: Any) -> str | None:
        return one.invitation.expires_at.isoformat() if one.is_invited else None


class SubmitterOut(serializers.Serializer[Any]):
    address = serializers.CharField()
    submitted = serializers.IntegerField()


class AccountsOut(serializers.Serializer[Any]):
    accounts = AccountOut(many=True)
    unmapped = SubmitterOut(many=True, help_text="who submitted something and is nobody here")


class AccountIn(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    address = serializers.CharField(max_length=254, help_text="of the account in Label Studio")


class StudioAccounts(InCollection):
    """Whose account in Label Studio is whose."""

    queryset = Collection.objects.all()
    needs = {"GET": Role.MANAGER, "PUT": Role.MANAGER}

    @extend_schema(summary="List accounts in Label Studio", responses=AccountsOut)
    def get(self, request: Request, slug: str) -> Response:
        return self._told()

    @extend_schema(summary="Map an account in Label Studio", request=AccountIn, responses=AccountsOut)
    def put(self, request: Request, slug: str) -> Response:
        sent = AccountIn(data=request.data)
        sent.is_valid(raise_exception=True)
        user = _member(self.collection, sent.validated_data["username"])
        with label_studio.client() as studio:
            emails = studio.emails()
        map_by_hand(
            collection=self.collection, user=user, address=sent.validated_data["address"], emails=emails,
            by=self.person,
        )  # fmt: skip
        return self._told()

    def _told(self) -> Response:
        found = {"accounts": accounts_of(self.collection), "unmapped": unmapped_submitters(self.collection)}
        return Response(AccountsOut(found).data)


class InvitationIn(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150, help_text="of a member who may label")


class InvitationOut(serializers.Serializer[Any]):
    link = serializers.URLField(help_text="for this person only; it is told this once")
    expires_at = serializers.DateTimeField()


class Invitations(InCollection):
    """Invite a member to Label Studio."""

    queryset = Collection.objects.all()
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Invite to Label Studio", request=InvitationIn, responses={201: InvitationOut})
    def post(self, request: Request, slug: str) -> Response:
        """The link leads to Label Studio's sign-up and nowhere else. One made before opens nothing any more."""
        sent = InvitationIn(data=request.data)
        sent.is_valid(raise_exception=True)
        made = invite(
            collection=self.collection,
            user=_member(self.collection, sent.validated_data["username"]),
            by=self.person,
        )
        link = settings.EARMARK.site_url + reverse("web:join", args=[token_of(made)])
        told = InvitationOut({"link": link, "expires_at": made.expires_at})
        return Response(told.data, status=status.HTTP_201_CREATED)


class ConnectedProjectOut(serializers.ModelSerializer[ConnectedProject]):
    connected_by = serializers.CharField(source="connected_by.username")
    submissions = serializers.SerializerMethodField(
        help_text="that came back from it, by what became of them"
    )

    class Meta:
        model = ConnectedProject
        fields = (
            "id",
            "host",
            "project_id",
            "connected_by",
            "connected_at",
            "seen_at",
            "gone_at",
            "submissions",
        )

    def get_submissions(self, row: ConnectedProject) -> dict[str, int]:
        found: dict[str, int] = self.context["counts"].get(row.pk, {})
        return found


class ConnectedProjects(InCollection):
    """Label Studio projects that have this collection as their ML backend, the last seen first."""

    queryset = ConnectedProject.objects.select_related("connected_by")

    @extend_schema(summary="List connected projects", responses=ConnectedProjectOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        rows = list(self.get_queryset()[:200])
        context = {"counts": submissions_of(rows)}
        return Response(ConnectedProjectOut(rows, many=True, context=context).data)


def _member(collection: Collection, username: str) -> User:
    return get_object_or_404(User, username=username, memberships__collection=collection)
