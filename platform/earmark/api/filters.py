"""What lists can be narrowed by."""

from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django_filters import rest_framework as filters

from annotation.models import Annotation, Round, RoundClip
from earmark.corpus.models import Clip, ImportFile, Recording, Reference, Speaker, Split
from earmark.datasets.models import Snapshot, SnapshotItem
from earmark.jobs.models import Job, Status
from earmark.recognition.models import Hypothesis


class WordsFilter(filters.BaseInFilter, filters.CharFilter):
    """Several words with commas between them; any of them will do."""


class SpeakerFilter(filters.CharFilter):
    """By a speaker's name, looked up first: a join would read every clip to find a rare name."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        return qs.filter(speaker__in=list(Speaker.objects.filter(name=value).values_list("pk", flat=True)))


def heard_as(wanted: dict[str, Any]) -> Q:
    """What `confidence_min`, `confidence_max` and `flags` ask of a hypothesis; empty when none is given."""
    condition = Q()
    if (low := wanted.get("confidence_min")) is not None:
        condition &= Q(confidence__gte=low)
    if (high := wanted.get("confidence_max")) is not None:
        condition &= Q(confidence__lte=high)
    if flags := wanted.get("flags"):
        condition &= Q(flags__overlap=flags)
    return condition


class HeardFilter(filters.FilterSet):
    """Conditions on what a model heard; subclasses say whose rows they narrow."""

    model = filters.NumberFilter(
        method="leave", help_text="id of a model version; the champion when not given"
    )
    confidence_min = filters.NumberFilter(method="leave", min_value=0, max_value=1)
    confidence_max = filters.NumberFilter(method="leave", min_value=0, max_value=1)
    flags = WordsFilter(method="leave", help_text="any of these, with commas: loop, silence, truncated, …")

    def leave(self, rows: QuerySet[Any], name: str, value: object) -> QuerySet[Any]:
        """These conditions are applied together, in `filter_queryset`."""
        return rows


class ClipFilter(HeardFilter):
    state = filters.MultipleChoiceFilter(choices=Clip.State.choices)
    split = filters.ChoiceFilter(choices=Split.choices)
    language = filters.CharFilter()
    dialect = filters.CharFilter()
    speaker = SpeakerFilter(help_text="name")
    recording = filters.NumberFilter("recording_id")

    class Meta:
        model = Clip
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: QuerySet[Clip]) -> QuerySet[Clip]:
        rows = super().filter_queryset(queryset)
        condition = heard_as(self.form.cleaned_data)
        if not condition:
            return rows
        model = self.request.parser_context["view"].listening_model
        return rows.filter(Exists(Hypothesis.objects.filter(condition, clip=OuterRef("pk"), model=model)))


class HypothesisFilter(HeardFilter):
    clip = filters.NumberFilter("clip_id")
    split = filters.ChoiceFilter("clip__split", choices=Split.choices)
    language = filters.CharFilter("clip__language")
    dialect = filters.CharFilter("clip__dialect")
    model = filters.NumberFilter("model_id", help_text="id of a model version; all of them when not given")

    class Meta:
        model = Hypothesis
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: QuerySet[Hypothesis]) -> QuerySet[Hypothesis]:
        return super().filter_queryset(queryset).filter(heard_as(self.form.cleaned_data))


def simple(of: type[Model], **looked_up: filters.Filter) -> type[filters.FilterSet]:
    """A filter set over `of` that has just these filters."""
    meta = type("Meta", (), {"model": of, "fields": ()})
    return type(f"{of.__name__}Filter", (filters.FilterSet,), {**looked_up, "Meta": meta})


RecordingFilter = simple(
    Recording,
    language=filters.CharFilter(),
    dialect=filters.CharFilter(),
    speaker=SpeakerFilter(help_text="name"),
    sha256=filters.CharFilter(help_text="of the file's bytes, in hexadecimal"),
)
ReferenceFilter = simple(
    Reference,
    clip=filters.NumberFilter("clip_id"),
    kind=filters.ChoiceFilter(choices=Reference.Kind.choices),
    is_current=filters.BooleanFilter(),
    split=filters.ChoiceFilter("clip__split", choices=Split.choices),
    language=filters.CharFilter("clip__language"),
    dialect=filters.CharFilter("clip__dialect"),
)
ImportFileFilter = simple(
    ImportFile,
    outcome=filters.MultipleChoiceFilter(choices=ImportFile.Outcome.choices),
    error_id=filters.CharFilter(),
)
RoundClipFilter = simple(
    RoundClip,
    outcome=filters.MultipleChoiceFilter(choices=RoundClip.Outcome.choices),
    reason=filters.ChoiceFilter(choices=RoundClip.Reason.choices),
)
RoundFilter = simple(Round, status=filters.ChoiceFilter(choices=Round.Status.choices))
AnnotationFilter = simple(
    Annotation,
    annotator=filters.CharFilter(),
    was_skipped=filters.BooleanFilter(),
    clip=filters.NumberFilter("round_clip__clip_id"),
)
SnapshotFilter = simple(Snapshot, purpose=filters.ChoiceFilter(choices=Snapshot.Purpose.choices))
SnapshotItemFilter = simple(
    SnapshotItem,
    split=filters.ChoiceFilter(choices=Split.choices),
    labelled=filters.BooleanFilter("text", lookup_expr="isnull", exclude=True),
)
JobFilter = simple(
    Job, kind=filters.CharFilter(), status=filters.MultipleChoiceFilter(choices=Status.choices)
)
