"""What shows how far a model is to be trusted, and when it is learned."""

import pytest

from annotation.auditing import audited_clips, calibrate_if_due, request_calibration
from annotation.models import Round, RoundClip
from annotation.pool import read_pool
from earmark.corpus.models import Clip, Reference
from earmark.datasets.models import Snapshot, SnapshotItem
from earmark.jobs.models import Job
from earmark.recognition.models import Alias, Calibration, Hypothesis, ModelVersion
from earmark.speech.calibration_fit import FEWEST
from earmark.speech.errors import EarmarkError
from tests.recognition.world import make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db


class Audit:
    """A collection with a champion and a closed round: the first half of its clips was drawn at random."""

    def __init__(self, clips: int = 6) -> None:
        self.collection, self.model = make_collection(), make_model()
        Alias.objects.create(collection=self.collection, name=Alias.Name.CHAMPION, model=self.model)
        self.round = Round.objects.create(
            collection=self.collection, number=1, strategy="x", budget_seconds=9, audit_share=0.5, seed=1,
            model=self.model, status=Round.Status.CLOSED,
        )  # fmt: skip
        recording = make_clip(self.collection, 500).recording
        self.clips = [self._clip(recording, number, is_audit=number < clips / 2) for number in range(clips)]

    def _clip(self, recording, number: int, *, is_audit: bool) -> Clip:  # type: ignore[no-untyped-def]
        clip = Clip.objects.create(
            collection=self.collection, recording=recording, start=number + 1.0, seconds=1.0, language="en",
            split="train", state=Clip.State.LABELLED,
        )  # fmt: skip
        Hypothesis.objects.create(clip=clip, model=self.model, text="left", confidence=0.5)
        Reference.objects.create(clip=clip, version=1, kind=Reference.Kind.ANNOTATOR, text="left")
        RoundClip.objects.create(
            round=self.round, clip=clip, score=0.5, outcome=RoundClip.Outcome.LABELLED,
            reason=RoundClip.Reason.AUDIT if is_audit else RoundClip.Reason.STRATEGY,
        )  # fmt: skip
        return clip

    def learned(self, clip: Clip, text: str | None) -> ModelVersion:
        """A child of the champion that was trained with `clip` in its snapshot; `text` None: unlabelled there."""
        snapshot = Snapshot.objects.create(
            collection=self.collection, purpose="training", digest=f"d{clip.pk}{text}"
        )
        SnapshotItem.objects.create(snapshot=snapshot, clip=clip, split="train", text=text)
        return ModelVersion.objects.create(
            name=snapshot.digest, source="nowhere", parent=self.model, lineage={"snapshot": snapshot.digest}
        )


def test_only_labelled_clips_drawn_at_random_are_audited() -> None:
    audit = Audit()
    first, second, third, *_asked = audit.clips
    RoundClip.objects.filter(clip=second).update(outcome=RoundClip.Outcome.UNINTELLIGIBLE)
    assert audited_clips(audit.collection, audit.model) == [first.pk, third.pk]
    assert audited_clips(make_collection(), audit.model) == []


def test_what_a_model_or_its_ancestors_were_taught_does_not_count() -> None:
    audit = Audit()
    first, second, third, *_ = audit.clips
    child = audit.learned(first, "left")
    grandchild = audit.learned(second, None)
    ModelVersion.objects.filter(pk=grandchild.pk).update(parent=child)
    grandchild.refresh_from_db()
    assert audited_clips(audit.collection, child) == [second.pk, third.pk]
    assert audited_clips(audit.collection, grandchild) == [second.pk, third.pk]


def test_the_champion_is_calibrated_when_there_is_enough_and_more_than_before() -> None:
    audit = Audit(2 * FEWEST)
    job = calibrate_if_due(audit.collection)
    assert job is not None
    assert job.arguments["clips"] == [clip.pk for clip in audit.clips[:FEWEST]]
    Job.objects.all().delete()
    Calibration.objects.create(
        collection=audit.collection, model=audit.model, parameters={}, report={}, clips=FEWEST
    )
    assert calibrate_if_due(audit.collection) is None
    assert calibrate_if_due(make_collection()) is None


def test_too_few_audited_clips_wait_silently_but_are_told_of_when_asked() -> None:
    audit = Audit()
    assert calibrate_if_due(audit.collection) is None
    with pytest.raises(EarmarkError, match="3 clips"):
        request_calibration(collection=audit.collection, by=None)
    assert not Job.objects.exists()


def test_rounds_expect_the_calibrated_error_rate_of_the_champion_and_a_prior_of_others() -> None:
    audit = Audit(2)
    Reference.objects.all().delete()
    Clip.objects.filter(pk=audit.clips[0].pk).update(expected_error_rate=0.9)
    Clip.objects.update(state=Clip.State.HEARD)
    assert read_pool(audit.collection, audit.model).pool.confidence.tolist() == pytest.approx([0.1, 0.5])
    Alias.objects.update(model=make_model())
    assert read_pool(audit.collection, audit.model).pool.confidence.tolist() == [0.5, 0.5]
