"""New answers are looked at once, by the champion's own ears, and reviewers are asked where something speaks for it."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from annotation import checking
from annotation.models import Annotation, Round, RoundClip
from annotation.requesting import reason_for, request_reviews
from annotation.review_models import Decision, LabellingPlan, QualityReport, ReviewRequest
from annotation.tasks import start_checks
from benchmarks.doubtful_clips import doubtful_clips
from earmark.accounts.roles import Role
from earmark.corpus.models import Clip, Recording
from earmark.jobs.models import Job
from earmark.recognition.models import Hypothesis, HypothesisDetails, ModelVersion
from earmark.recognition.transcription import transcribe
from earmark.speech.audio import SAMPLE_RATE, write_flac
from tests.annotation.answered import Answered
from tests.annotation.world import TestContext

pytestmark = pytest.mark.django_db

TINY = Path(__file__).parents[2] / "models" / "glm-asr-tiny"
Reason = ReviewRequest.Reason


def check(world: Answered) -> dict[str, int]:
    return checking.check_slips(TestContext(), collection_id=world.collection.pk)


def kinds(answer: Annotation) -> list[str]:
    answer.refresh_from_db()
    assert answer.checked_at is not None
    return [one["kind"] for one in answer.slips]


@pytest.fixture
def world() -> Answered:
    """Clips that a model without an engine heard, every word at half a second, surely."""
    made = Answered()
    for row in Hypothesis.objects.all():
        tokens = [[f" {word}", -0.01, 0.0] for word in row.text.split()]
        words = [[word, n / 2, n / 2 + 0.5, 1.0] for n, word in enumerate(row.text.split())]
        HypothesisDetails.objects.filter(hypothesis=row).update(tokens=tokens, words=words)
    return made


@pytest.fixture
def without_aligner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "fitting", lambda model: None)


@pytest.mark.usefixtures("without_aligner")
def test_every_new_answer_is_looked_at_once(world: Answered) -> None:
    short = world.answer(world.asked(0), "anna", "turn on light")
    same = world.answer(world.asked(1), "anna", "Turn on the light.")
    quick = world.answer(world.asked(2), "anna", "turn on the light", lead=0.5)
    skipped = world.answer(world.asked(3), "anna", skip=True, lead=0.1)
    unclear = world.answer(world.asked(4), "anna", quality=["unintelligible"])
    assert check(world) == {"checked": 5, "doubted": 2}
    assert [kinds(one) for one in (short, same, quick, skipped, unclear)] == [
        ["left_out"],
        [],
        ["too_fast"],
        [],
        [],
    ]
    assert short.slips == [{"kind": "left_out", "at": 1.0, "text": "the"}]
    assert check(world) == {"checked": 0, "doubted": 0}
    Annotation.objects.filter(pk=short.pk).update(text="turn on the light", checked_at=None)
    assert check(world) == {"checked": 1, "doubted": 0}
    assert kinds(short) == []


@pytest.mark.usefixtures("without_aligner")
def test_an_answer_that_changes_while_it_is_looked_at_is_looked_at_again(
    world: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.answer(world.asked(0), "anna", "turn on light")
    real, times = checking._slips_of, []

    def edited(one: Annotation, *rest: object) -> object:
        if not times:
            times.append(1)
            now = timezone.now()
            Annotation.objects.filter(pk=answer.pk).update(
                text="turn on the light", updated_at=now, checked_at=None
            )
        return real(one, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(checking, "_slips_of", edited)
    assert check(world)["checked"] == 2
    assert kinds(answer) == []


def test_beat_asks_for_one_check_of_each_collection_with_new_answers(world: Answered) -> None:
    assert start_checks() == 0
    world.answer(world.asked(0), "anna", "turn on")
    other = Answered(1, slug="other")
    other.answer(other.asked(0), "bo", "turn on")
    assert start_checks() == 2
    assert start_checks() == 2
    jobs = Job.objects.filter(kind=checking.KIND)
    assert {(job.scope, job.queue) for job in jobs} == {
        (world.collection.scope, "gpu"), (other.collection.scope, "gpu"),
    }  # fmt: skip
    assert jobs.count() == 2


def test_the_real_champion_finds_a_word_left_out_and_believes_who_corrects_it() -> None:
    """Speech that the demo model hears right."""
    world = Answered(1)
    model = world.model
    ModelVersion.objects.filter(pk=model.pk).update(source=str(TINY))
    model.refresh_from_db()
    spoken = [one for one in doubtful_clips(12, 5, kinds=("clean",)) if one.language == "en"]
    clips = [stored(world, one.samples, n) for n, one in enumerate(spoken)]
    transcribe(TestContext(), clips=Clip.objects.filter(pk__in=[one.pk for one in clips]), model=model)
    world.clips = clips
    right, short = [], []
    for place, one in enumerate(spoken):
        words = one.text.split()
        right.append(world.answer(world.asked(place), "anna", one.text))
        if len(words) > 2:
            short.append(world.answer(world.asked(place), "bo", " ".join([words[0], *words[2:]])))
    check(world)
    assert [kinds(one) for one in right] == [[]] * len(right)
    assert len(short) > 2
    assert all(kinds(one) == ["left_out"] for one in short)


def stored(world: Answered, samples: np.ndarray, number: int) -> Clip:
    data = write_flac(samples)
    seconds = len(samples) / SAMPLE_RATE
    recording = Recording(
        collection=world.collection, sha256=sha256(data).hexdigest(), name=f"{number}.flac", bytes=len(data),
        seconds=seconds, rate=SAMPLE_RATE, channels=1, format="flac", language="en",
    )  # fmt: skip
    recording.file.save(f"recordings/{recording.sha256}.flac", ContentFile(data))
    return Clip.objects.create(
        collection=world.collection, recording=recording, start=0.0, seconds=seconds, language="en", split="train",
        state=Clip.State.NEW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"slips": 2}, Reason.SLIPS),
        ({"slips": 1, "error_rate": 0.5, "drawn": 0.0}, Reason.SLIPS),
        ({"error_rate": 0.2}, Reason.ANNOTATOR),
        ({"error_rate": 0.2, "above": None}, None),
        ({"error_rate": 0.05}, None),
        ({"drawn": 0.01}, Reason.RANDOM),
        ({}, None),
    ],
)
def test_why_a_label_is_reviewed(told: dict[str, float], expected: str | None) -> None:
    given = {"slips": 0, "error_rate": None, "above": 0.1, "drawn": 0.9, "share": 0.05, **told}
    found = reason_for(**given)  # type: ignore[arg-type]
    assert (found and found[0]) == expected


def test_slips_weigh_more_than_people_and_people_more_than_chance() -> None:
    options = {"above": 0.1, "drawn": 0.01, "share": 0.05}
    weights = [
        reason_for(slips=slips, error_rate=rate, **options)  # type: ignore[arg-type]
        for slips, rate in ((3, 0.9), (1, None), (0, 0.9), (0, 0.2), (0, None))
    ]
    assert [one[1] for one in weights if one] == sorted([one[1] for one in weights if one], reverse=True)


def reviewed(world: Answered) -> dict[int, str]:
    request_reviews(world.collection, RoundClip.objects.all())
    rows = ReviewRequest.objects.filter(settled_at=None)
    return dict(rows.values_list("round_clip__clip", "reason"))


def test_who_often_errs_is_reviewed_and_a_consensus_is_not(world: Answered) -> None:
    LabellingPlan.objects.create(collection=world.collection, review_share=0.0)
    people = [
        {"person": "anna@example.org", "error_rate": 0.2},
        {"person": "bo@example.org", "error_rate": 0.02},
    ]
    QualityReport.objects.create(
        collection=world.collection, figures={"people": people}, clips=9, known=0, seed=1
    )
    often = world.labelled(0, "anna", "turn on")
    world.labelled(1, "bo", "turn on")
    agreed = world.labelled(2, "anna", "turn on")
    agreed.clip.references.update(kind="consensus")
    slipped = world.labelled(3, "bo", "turn on", slips=[{"kind": "added", "at": 1.0, "text": "x"}])
    waiting = world.asked(4)
    world.answer(waiting, "anna", "turn on")
    known = world.asked(5, reason=RoundClip.Reason.KNOWN, outcome="labelled")
    world.answer(known, "anna", "turn on")
    assert reviewed(world) == {often.clip_id: "annotator", slipped.clip_id: "slips"}


def test_a_share_is_reviewed_at_random_the_same_every_time(world: Answered) -> None:
    LabellingPlan.objects.create(collection=world.collection, review_share=0.5)
    for place in range(6):
        world.labelled(place, "anna", "turn on")
    first = reviewed(world)
    assert set(first.values()) == {"random"}
    assert 0 < len(first) < 6
    assert reviewed(world) == first
    Round.objects.update(seed=2)
    ReviewRequest.objects.all().delete()
    assert reviewed(world) != first


def test_what_is_decided_is_not_asked_again(world: Answered) -> None:
    LabellingPlan.objects.create(collection=world.collection, review_share=1.0)
    row = world.labelled(0, "anna", "turn on")
    by = world.person("rita", Role.REVIEWER)
    Decision.objects.create(round_clip=row, kind=Decision.Kind.ACCEPT, by=by)
    assert reviewed(world) == {}
    Decision.objects.create(round_clip=row, kind=Decision.Kind.RETURN, by=by)
    assert reviewed(world) == {row.clip_id: "returned"}, "whoever gave it back sees what came"
    Decision.objects.create(round_clip=row, kind=Decision.Kind.CORRECT, by=by)
    ReviewRequest.objects.update(settled_at=world.now)
    assert reviewed(world) == {}


@pytest.mark.usefixtures("without_aligner")
def test_people_are_measured_after_answers_that_tell_of_them(world: Answered) -> None:
    world.answer(world.asked(0), "anna", "turn on the light")
    check(world)
    assert not Job.objects.filter(kind="annotation.measure_quality").exists()
    for place, fields in ((1, {"wanted": 2}), (2, {"reason": RoundClip.Reason.KNOWN})):
        world.answer(world.asked(place, **fields), "anna", "turn on the light")  # type: ignore[arg-type]
        check(world)
        job = Job.objects.get(kind="annotation.measure_quality")
        assert job.arguments == {"collection_id": world.collection.pk}
        job.delete()
