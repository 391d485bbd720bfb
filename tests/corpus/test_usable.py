"""Unfit clips and those of an earlier cutting are chosen for no work; what a person labelled stays."""

import pytest

from annotation.pool import eligible_hypotheses
from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference
from earmark.datasets.selection import training_clips
from earmark.loop.queries import turn_state
from earmark.recognition.models import Hypothesis
from earmark.recognition.transcription import clips_for
from tests.recognition.world import make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db

KINDS = {
    "good": {},
    "unfit": {"unfit": "noisy", "is_fit": False},
    "overruled": {"unfit": "noisy", "is_fit": True},
    "retired": {"is_current": False},
}


def of_every_kind(**fields: object) -> dict[str, Clip]:
    """A clip of each of KINDS, in a collection of their own."""
    collection = make_collection()
    clips = {
        name: make_clip(collection, 100 + number, **fields)  # type: ignore[arg-type]
        for number, name in enumerate(KINDS)
    }
    for name, clip in clips.items():
        Clip.objects.filter(pk=clip.pk).update(**KINDS[name])
    return clips


def names(clips: dict[str, Clip], found: object) -> set[str]:
    ids = {getattr(one, "clip_id", one.pk) for one in found}  # type: ignore[attr-defined]
    return {name for name, clip in clips.items() if clip.pk in ids}


def test_rounds_ask_about_usable_clips() -> None:
    clips = of_every_kind(state="heard")
    model = make_model()
    Hypothesis.objects.bulk_create(
        Hypothesis(clip=clip, model=model, text="x", confidence=0.5) for clip in clips.values()
    )
    found = eligible_hypotheses(clips["good"].collection, model)
    assert names(clips, found) == {"good", "overruled"}


@pytest.mark.parametrize(
    ("only", "heard"),
    [
        ("pool", {"good", "overruled"}),
        ("unlabelled", {"good", "overruled"}),
        ("all", {"good", "unfit", "overruled"}),
    ],
)
def test_unfit_clips_are_heard_only_when_asked_for(only: str, heard: set[str]) -> None:
    clips = of_every_kind()
    assert names(clips, clips_for(clips["good"].collection, only)) == heard


@pytest.mark.parametrize(
    ("text", "heard"), [("one", {"good", "unfit", "overruled"}), (None, {"good", "overruled"})]
)
def test_the_test_side_is_heard_where_it_is_labelled(text: str | None, heard: set[str]) -> None:
    clips = of_every_kind(split="test", speaker="tess", text=text)
    assert names(clips, clips_for(clips["good"].collection, "test")) == heard


def test_training_reads_usable_clips_and_all_that_is_labelled() -> None:
    unlabelled, labelled = of_every_kind(), of_every_kind(text="one", state="labelled")
    assert names(unlabelled, training_clips(unlabelled["good"].collection)) == {"good", "overruled"}
    assert names(labelled, training_clips(labelled["good"].collection)) == set(KINDS)


def test_the_loop_counts_current_clips_and_a_pool_of_usable_ones() -> None:
    clips = of_every_kind(seconds=2.0)
    unfit = clips["unfit"]
    before = turn_state(unfit.collection)
    assert (before.clips["new"], before.recordings) == (3, 4)
    assert (before.pool_seconds, before.labelled_seconds) == (4.0, 0.0)
    set_reference(clip_id=unfit.pk, text="heard anyway", kind=Reference.Kind.ADJUDICATED, author="anna")
    after = turn_state(unfit.collection)
    assert (after.clips["new"], after.clips["labelled"]) == (2, 1)
    assert (after.pool_seconds, after.labelled_seconds) == (6.0, 2.0)


@pytest.mark.parametrize(
    ("state", "becomes"),
    [("new", "labelled"), ("heard", "labelled"), ("skipped", "labelled"), ("in_round", "in_round")],
)
def test_a_clip_with_a_text_is_labelled_unless_it_lies_with_annotators(state: str, becomes: str) -> None:
    clip = make_clip(make_collection(), 5, state=state)
    set_reference(clip_id=clip.pk, text="one", kind=Reference.Kind.ADJUDICATED, author="anna")
    clip.refresh_from_db()
    assert clip.state == becomes
