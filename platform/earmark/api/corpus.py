"""Collections, recordings, clips, hypotheses and references, to read."""

from functools import cached_property
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery, Value
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.api.access import Answering, InCollection, OfCollection
from earmark.api.filters import ClipFilter, HypothesisFilter, RecordingFilter, ReferenceFilter
from earmark.api.pagination import ById
from earmark.corpus.access import visible_collections
from earmark.corpus.audio_links import clip_url
from earmark.corpus.models import Clip, Collection, Membership, Recording, Reference
from earmark.loop.queries import turn_state
from earmark.recognition.models import Alias, Hypothesis

AUDIO_LINK_SECONDS = 3600


def with_role(collections: QuerySet[Collection], person: User) -> QuerySet[Collection]:
    """Add `role`: what `person` is in each collection."""
    own = Membership.objects.filter(collection=OuterRef("pk"), user=person).values("role")[:1]
    return collections.annotate(role=Value(str(Role.ADMIN)) if person.is_superuser else Subquery(own))


class CollectionOut(serializers.ModelSerializer[Collection]):
    role = serializers.ChoiceField(choices=Role.choices, read_only=True, help_text="what you are in it")

    class Meta:
        model = Collection
        fields = ("slug", "name", "description", "role", "created_at")


class RecordingOut(serializers.ModelSerializer[Recording]):
    speaker = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)

    class Meta:
        model = Recording
        fields = (
            "id", "sha256", "name", "bytes", "seconds", "rate", "channels", "format",
            "speaker", "language", "dialect", "licence", "created_at",
        )  # fmt: skip


class HypothesisOut(serializers.ModelSerializer[Hypothesis]):
    class Meta:
        model = Hypothesis
        fields: tuple[str, ...] = ("id", "clip", "model", "text", "confidence", "flags", "created_at")


class HypothesisInDetail(HypothesisOut):
    tokens = serializers.JSONField(help_text="[text, log-probability, entropy] each; none once thinned out")
    words = serializers.JSONField(help_text="[text, start, end, score] each; none once thinned out")

    class Meta(HypothesisOut.Meta):
        fields = (*HypothesisOut.Meta.fields, "tokens", "words", "features")


class ReferenceOut(serializers.ModelSerializer[Reference]):
    class Meta:
        model = Reference
        fields = ("id", "clip", "version", "text", "kind", "author", "is_current", "created_at")


class ClipOut(serializers.ModelSerializer[Clip]):
    speaker = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    hypothesis = serializers.SerializerMethodField(
        help_text="what the model asked for, or the champion, heard"
    )
    reference = serializers.SerializerMethodField(help_text="the current one")

    class Meta:
        model = Clip
        fields = (
            "id", "recording", "speaker", "start", "seconds", "language", "dialect", "split", "state",
            "hypothesis", "reference", "created_at",
        )  # fmt: skip

    @extend_schema_field(HypothesisOut(allow_null=True))
    def get_hypothesis(self, clip: Clip) -> dict[str, Any] | None:
        heard: list[Hypothesis] = getattr(clip, "heard")  # noqa: B009  put there by `with_texts`
        return HypothesisOut(heard[0]).data if heard else None

    @extend_schema_field(ReferenceOut(allow_null=True))
    def get_reference(self, clip: Clip) -> dict[str, Any] | None:
        held: list[Reference] = getattr(clip, "held")  # noqa: B009  put there by `with_texts`
        return ReferenceOut(held[0]).data if held else None


class ClipDetail(serializers.ModelSerializer[Clip]):
    collection = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    recording = RecordingOut()
    speaker = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    hypotheses = HypothesisInDetail(many=True, help_text="newest first")
    references = ReferenceOut(many=True, help_text="newest first")
    audio_url = serializers.SerializerMethodField(help_text="signed; good for an hour, without signing in")

    class Meta:
        model = Clip
        fields = (
            "id", "collection", "recording", "speaker", "start", "seconds", "language", "dialect", "split", "state",
            "hypotheses", "references", "audio_url", "created_at",
        )  # fmt: skip

    def get_audio_url(self, clip: Clip) -> str:
        return clip_url(clip.pk, lifetime_seconds=AUDIO_LINK_SECONDS)


def with_texts(clips: QuerySet[Clip], *, model: int | None) -> QuerySet[Clip]:
    """Bring along, in two queries, what `model` heard (`heard`) and the current reference (`held`)."""
    heard = Hypothesis.objects.filter(model=model).defer("features")
    held = Reference.objects.filter(is_current=True)
    return clips.prefetch_related(
        Prefetch("hypotheses", queryset=heard, to_attr="heard"),
        Prefetch("references", queryset=held, to_attr="held"),
    )


class Collections(Answering, generics.ListAPIView[Collection]):
    """The collections you are a member of."""

    queryset = Collection.objects.all()
    serializer_class = CollectionOut
    pagination_class = ById

    def get_queryset(self) -> QuerySet[Collection]:
        if self.is_being_described:
            return Collection.objects.none()
        return with_role(visible_collections(self.person), self.person)


class OneCollection(InCollection, generics.RetrieveAPIView[Collection]):
    """One collection, and what you are in it."""

    queryset = Collection.objects.all()
    serializer_class = CollectionOut

    def get_object(self) -> Collection:
        return with_role(Collection.objects.filter(pk=self.collection.pk), self.person).get()


class TurnStateOut(serializers.Serializer[Any]):
    """Where the loop stands; times are seconds of audio."""

    collection = serializers.CharField()
    recordings = serializers.IntegerField()
    clips = serializers.DictField(child=serializers.IntegerField(), help_text="how many are in each state")
    pool_seconds = serializers.FloatField(help_text="audio on the training side")
    labelled_seconds = serializers.FloatField(help_text="of these, labelled")
    rounds = serializers.IntegerField()
    open_round = serializers.IntegerField(allow_null=True, help_text="its number")
    round_clips = serializers.IntegerField(help_text="in the newest round")
    round_submitted = serializers.IntegerField(help_text="of these, submitted")
    snapshots = serializers.IntegerField()
    trainings = serializers.IntegerField()
    running_jobs = serializers.IntegerField()
    champion = serializers.CharField(allow_null=True)
    error_rate = serializers.FloatField(allow_null=True, help_text="of the champion, on the frozen test set")
    interval = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="low and high, 95 % bootstrap"
    )
    test_clips = serializers.IntegerField(allow_null=True, help_text="the clips behind the error rate")


class CollectionStatus(InCollection):
    """Where the collection's loop stands, in numbers."""

    serializer_class = TurnStateOut

    @extend_schema(summary="Where the loop stands", responses=TurnStateOut)
    def get(self, request: Request, slug: str) -> Response:
        return Response(TurnStateOut(turn_state(self.collection).as_dict()).data)


class Recordings(InCollection, generics.ListAPIView[Recording]):
    """The audio files of the collection."""

    queryset = Recording.objects.select_related("speaker")
    serializer_class = RecordingOut
    filterset_class = RecordingFilter
    pagination_class = ById


class OneRecording(OfCollection, generics.RetrieveAPIView[Recording]):
    """One audio file."""

    queryset = Recording.objects.select_related("speaker", "collection")
    serializer_class = RecordingOut


class Clips(InCollection, generics.ListAPIView[Clip]):
    """Clips with what one model heard: `?model=`, or the champion."""

    queryset = Clip.objects.select_related("speaker")
    serializer_class = ClipOut
    filterset_class = ClipFilter
    pagination_class = ById

    @cached_property
    def listening_model(self) -> int | None:
        asked = self.request.query_params.get("model", "")
        if asked.isdecimal():
            return int(asked)
        champion = Alias.objects.filter(collection=self.collection, name=Alias.Name.CHAMPION)
        return champion.values_list("model_id", flat=True).first()

    def get_queryset(self) -> QuerySet[Clip]:
        rows = super().get_queryset()
        return rows if self.is_being_described else with_texts(rows, model=self.listening_model)


class OneClip(OfCollection, generics.RetrieveAPIView[Clip]):
    """One clip with everything heard and held of it, and a link to its audio."""

    queryset = Clip.objects.select_related("collection", "speaker", "recording__speaker").prefetch_related(
        Prefetch("hypotheses", queryset=Hypothesis.objects.select_related("details").order_by("-id")),
        "references",
    )
    serializer_class = ClipDetail


class Hypotheses(InCollection, generics.ListAPIView[Hypothesis]):
    """What models heard: one row for a clip and a model. Tokens and features are in the clip's own page."""

    queryset = Hypothesis.objects.defer("features")
    serializer_class = HypothesisOut
    filterset_class = HypothesisFilter
    pagination_class = ById
    owner = "clip__collection"


class References(InCollection, generics.ListAPIView[Reference]):
    """The texts held to be true, every version; `?is_current=true` for those that count."""

    queryset = Reference.objects.all()
    serializer_class = ReferenceOut
    filterset_class = ReferenceFilter
    pagination_class = ById
    owner = "clip__collection"
