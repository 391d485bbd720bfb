"""Who labels, by which rules clips are given out, and what came that could not be taken as it came."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.models import Round
from annotation.review_models import Incident
from annotation.rounds import start_repair
from annotation.routing_models import Annotator, Pass, RoutingRule
from annotation.routing_preview import preview
from annotation.team import set_annotator, set_rules
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.api.access import InCollection, OfCollection, PartsOf
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.api.pagination import ById, NewestFirst


class AnnotatorOut(serializers.ModelSerializer[Annotator]):
    username = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Annotator
        fields = (
            "id", "username", "languages", "dialects", "daily_seconds", "is_active", "away_from", "away_until",
            "studio_email",
        )  # fmt: skip


class AnnotatorChanges(serializers.Serializer[Any]):
    languages = serializers.ListField(child=serializers.CharField(max_length=10), required=False)
    dialects = serializers.ListField(child=serializers.CharField(max_length=60), required=False)
    daily_seconds = serializers.FloatField(min_value=0, required=False, help_text="of audio a day")
    is_active = serializers.BooleanField(required=False)
    away_from = serializers.DateField(allow_null=True, required=False)
    away_until = serializers.DateField(allow_null=True, required=False, help_text="the last day away")
    studio_email = serializers.EmailField(allow_blank=True, required=False)


class AnnotatorIn(AnnotatorChanges):
    username = serializers.CharField(max_length=150)


class Annotators(InCollection, generics.ListAPIView[Annotator]):
    """Who labels in the collection: what they understand, how much a day, when they are away."""

    queryset = Annotator.objects.select_related("user")
    serializer_class = AnnotatorOut
    pagination_class = ById
    needs = {"GET": Role.VIEWER, "POST": Role.MANAGER}

    @extend_schema(summary="Set an annotator", request=AnnotatorIn, responses=AnnotatorOut)
    def post(self, request: Request, slug: str) -> Response:
        """What is not named stays. Passes that wait in open rounds are given out anew."""
        sent = AnnotatorIn(data=request.data)
        sent.is_valid(raise_exception=True)
        fields = dict(sent.validated_data)
        person = get_object_or_404(User, username=fields.pop("username"))
        row = set_annotator(collection=self.collection, user=person, by=self.person, **fields)
        return Response(AnnotatorOut(row).data)


class RuleOut(serializers.ModelSerializer[RoutingRule]):
    annotators = serializers.PrimaryKeyRelatedField[Annotator](many=True, read_only=True)

    class Meta:
        model = RoutingRule
        fields = (
            "id", "name", "is_active", "languages", "dialects", "least_error", "most_error", "share", "people",
            "is_blind", "annotators",
        )  # fmt: skip


class RuleIn(serializers.Serializer[Any]):
    id = serializers.IntegerField(required=False, help_text="of the rule it changes")
    name = serializers.CharField(max_length=80)
    is_active = serializers.BooleanField(default=True)
    languages = serializers.ListField(child=serializers.CharField(max_length=10), default=list)
    dialects = serializers.ListField(child=serializers.CharField(max_length=60), default=list)
    least_error = serializers.FloatField(allow_null=True, default=None, help_text="expected error rate from")
    most_error = serializers.FloatField(allow_null=True, default=None, help_text="expected error rate to")
    share = serializers.FloatField(default=1.0, help_text="of the clips that fit; the rest goes on")
    people = serializers.IntegerField(default=1, help_text="asked independently, 1 to 9")
    is_blind = serializers.BooleanField(default=False)
    annotators = serializers.ListField(
        child=serializers.IntegerField(), default=list, help_text="ids; everyone when empty"
    )


class RulesIn(serializers.Serializer[Any]):
    rules = RuleIn(many=True, help_text="in order; the first that fits a clip holds")


class TakenOut(serializers.Serializer[Any]):
    rule = serializers.IntegerField(allow_null=True, help_text="null for what no rule fits")
    clips = serializers.FloatField(help_text="to be expected, of those that may be asked now")
    too_few = serializers.FloatField(help_text="of these, clips that fewer people can take than are asked")
    people = serializers.DictField(
        child=serializers.IntegerField(), help_text="clips they could take, by annotator"
    )


class RoutingOut(serializers.Serializer[Any]):
    rules = RuleOut(many=True)
    taken = TakenOut(many=True)


class Routing(InCollection):
    """The rules by which clips are given out, and what each would take of the clips that may be asked now."""

    queryset = RoutingRule.objects.prefetch_related("annotators")
    needs = {"GET": Role.VIEWER, "PUT": Role.ADMIN}

    @extend_schema(summary="Read the routing rules", responses=RoutingOut)
    def get(self, request: Request, slug: str) -> Response:
        return self._told()

    @extend_schema(summary="Replace the routing rules", request=RulesIn, responses=RoutingOut)
    def put(self, request: Request, slug: str) -> Response:
        """Passes that wait in open rounds and that nobody has begun are given out anew."""
        sent = RulesIn(data=request.data)
        sent.is_valid(raise_exception=True)
        set_rules(collection=self.collection, rules=sent.validated_data["rules"], by=self.person)
        return self._told()

    def _told(self) -> Response:
        told = {"rules": self.get_queryset(), "taken": preview(self.collection, now=timezone.now())}
        return Response(RoutingOut(told).data)


class IncidentOut(serializers.ModelSerializer[Incident]):
    class Meta:
        model = Incident
        fields = ("id", "round", "error_id", "error", "said", "times", "first_at", "last_at")


class Incidents(InCollection, generics.ListAPIView[Incident]):
    """What came from Label Studio and could not be taken as it came, newest first."""

    queryset = Incident.objects.all()
    serializer_class = IncidentOut
    pagination_class = NewestFirst
    needs = {"GET": Role.MANAGER}


class PassOut(serializers.ModelSerializer[Pass]):
    clip = serializers.IntegerField(source="round_clip.clip_id", read_only=True)

    class Meta:
        model = Pass
        fields = (
            "id", "clip", "number", "is_blind", "routing", "stuck_because", "annotator", "status", "place", "task_id",
            "returned_code", "returned_note", "returned_at", "done_at",
        )  # fmt: skip


class RoundPasses(PartsOf, generics.ListAPIView[Pass]):
    """Who is asked about which clip of a round, and how far they are."""

    whole = Round.objects.select_related("collection")
    part_of = "round"
    queryset = Pass.objects.select_related("round_clip")
    serializer_class = PassOut
    pagination_class = ById
    needs = {"GET": Role.MANAGER}


class RoundRepair(OfCollection):
    """Put the round's project in Label Studio right from what is known here."""

    queryset = Round.objects.select_related("collection")
    serializer_class = PassOut
    needs = {"POST": Role.MANAGER}

    @extend_schema(summary="Repair a round", request=None, responses={202: Accepted}, parameters=[ONCE])
    @once_per_key
    def post(self, request: Request, pk: int) -> Response:
        """A deleted project or task is made again, whatever was changed there put back. What was answered stays."""
        return accepted(self, start_repair(round=self.get_object(), by=self.person))
