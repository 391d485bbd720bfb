"""Models and the parts they play."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.models import User
from earmark.api.access import Answering, InCollection
from earmark.api.describing import ONCE
from earmark.api.idempotency import once_per_key
from earmark.api.jobs import Accepted, accepted
from earmark.api.pagination import ById, NewestFirst
from earmark.corpus.access import visible_collections
from earmark.recognition.models import Alias, ModelVersion
from earmark.recognition.registering import LONGEST_NAME, LONGEST_SOURCE, submit_registration


def visible_models(person: User) -> QuerySet[ModelVersion]:
    """The models that play a part, made a round, or were trained or scored in a collection of `person`'s."""
    if person.is_superuser:
        return ModelVersion.objects.all()
    own = visible_collections(person).values("pk")
    ways = ("aliases__collection", "made_by__collection", "trainings__collection", "rounds__collection",
            "evaluations__snapshot__collection", "compared_as_a__snapshot__collection",
            "compared_as_b__snapshot__collection")  # fmt: skip
    seen = Q()
    for way in ways:
        seen |= Q(pk__in=ModelVersion.objects.filter(**{f"{way}__in": own}).values("pk"))
    return ModelVersion.objects.filter(seen)


@extend_schema_field(OpenApiTypes.INT)
class VisibleModel(serializers.PrimaryKeyRelatedField[ModelVersion]):
    """The id of a model the person may see."""

    def get_queryset(self) -> QuerySet[ModelVersion]:
        request = self.context.get("request")
        return visible_models(request.user) if request else ModelVersion.objects.none()


class ModelOut(serializers.ModelSerializer[ModelVersion]):
    lineage = serializers.DictField(
        read_only=True, help_text="snapshot digest, recipe, seed, code version, content"
    )

    class Meta:
        model = ModelVersion
        fields = ("id", "name", "engine", "parent", "lineage", "created_at")


class ModelIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST_NAME)
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=LONGEST_SOURCE,
        help_text="a folder that the workers see, a hub id, or http://host:port/v1#model",
    )
    engine = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=40,
        help_text="by its name in the settings; found out when empty",
    )


class AmongModels(Answering):
    """What both addresses of models share."""

    queryset = ModelVersion.objects.all()
    serializer_class = ModelOut

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return ModelVersion.objects.none() if self.is_being_described else visible_models(self.person)


class Models(AmongModels, generics.ListAPIView[ModelVersion]):
    """The model versions at work in your collections."""

    pagination_class = NewestFirst

    @extend_schema(summary="Register a model", request=ModelIn, responses={202: Accepted}, parameters=[ONCE])
    @once_per_key
    def post(self, request: Request) -> Response:
        """For who runs the platform: any folder of the workers can be named."""
        if not self.person.is_superuser:
            raise PermissionDenied
        sent = ModelIn(data=request.data)
        sent.is_valid(raise_exception=True)
        return accepted(self, submit_registration(by=self.person, **sent.validated_data))


class OneModel(AmongModels, generics.RetrieveAPIView[ModelVersion]):
    """One model version with its lineage."""


class AliasOut(serializers.ModelSerializer[Alias]):
    model = ModelOut()

    class Meta:
        model = Alias
        fields = ("name", "model", "since")


class Aliases(InCollection, generics.ListAPIView[Alias]):
    """Which model is champion and which is challenger."""

    queryset = Alias.objects.select_related("model")
    serializer_class = AliasOut
    pagination_class = ById
