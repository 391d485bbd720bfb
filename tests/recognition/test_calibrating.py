"""What people found in clips drawn at random becomes what every clip shows."""

from collections.abc import Sequence

import pytest

from earmark.accounts.models import AuditEntry
from earmark.corpus.models import Clip, Collection, Reference
from earmark.jobs.models import Job
from earmark.recognition.calibrating import calibrate, submit_calibration
from earmark.recognition.calibrations import calibrated_words, newest, required
from earmark.recognition.champion_shown import follow_champion, show_on_clips
from earmark.recognition.models import Alias, Calibration, Hypothesis, HypothesisDetails, ModelVersion
from earmark.speech.errors import EarmarkError
from tests.recognition.world import Progress, make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db

SURE, UNSURE = 0.9, 0.2


def hear(clip: Clip, model: ModelVersion, *, text: str, sure: bool) -> Hypothesis:
    """Sure or not, the model's prior says the opposite of what is true, and its features tell."""
    logprob = -0.01 if sure else -1.5
    row = Hypothesis.objects.create(
        clip=clip,
        model=model,
        text=text,
        confidence=UNSURE if sure else SURE,
        features={"mean_logprob": logprob, "mean_probability": 0.9, "mean_entropy": 0.01 if sure else 1.2},
    )
    HypothesisDetails.objects.create(hypothesis=row, tokens=[[" " + text, logprob, 0.1], ["", logprob, 0.1]])
    return row


def make_audit(collection: Collection, model: ModelVersion, count: int = 40) -> list[Clip]:
    """Every other clip is right, and the model was sure of it; one more is told by an import alone."""
    clips = []
    recording = make_clip(collection, 400).recording
    for number in range(count):
        clip = Clip.objects.create(
            collection=collection, recording=recording, start=number + 1.0, seconds=1.0, language="en", split="train",
            state=Clip.State.LABELLED,
        )  # fmt: skip
        hear(clip, model, text="left", sure=number % 2 == 0)
        kind = Reference.Kind.ANNOTATOR
        Reference.objects.create(clip=clip, version=1, kind=kind, text="left" if number % 2 == 0 else "right")
        clips.append(clip)
    return clips


@pytest.fixture
def collection() -> Collection:
    return make_collection()


@pytest.fixture
def model(collection: Collection) -> ModelVersion:
    found = make_model()
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=found)
    return found


def calibrated(collection: Collection, model: ModelVersion, clips: Sequence[Clip]) -> Calibration:
    ids = [clip.pk for clip in clips]
    return calibrate(Progress(), collection=collection, model=model, clips=ids, by=None)


def shown(clip: Clip) -> tuple[float, float]:
    """Confidence and expected error rate of a clip that has both."""
    held = Clip.objects.get(pk=clip.pk)
    assert held.confidence is not None
    assert held.expected_error_rate is not None
    return held.confidence, held.expected_error_rate


def test_what_was_learned_is_shown_on_every_clip_the_champion_heard(
    collection: Collection, model: ModelVersion
) -> None:
    clips = make_audit(collection, model)
    pool = [make_clip(collection, 401 + number) for number in range(3)]
    hear(pool[0], model, text="left", sure=True)
    hear(pool[1], model, text="left", sure=False)
    row = calibrated(collection, model, clips)
    assert Job.objects.filter(kind="champion.follow", scope=collection.scope).exists()
    follow_champion(collection)
    (good, good_rate), (bad, bad_rate) = (shown(clip) for clip in pool[:2])
    assert good > 0.8 > 0.2 > bad
    assert good_rate < 0.2 < 0.8 < bad_rate
    unheard = Clip.objects.get(pk=pool[2].pk)
    assert (unheard.confidence, unheard.expected_error_rate, unheard.state) == (None, None, Clip.State.NEW)
    assert follow_champion(collection) == 0
    assert row.clips == 40
    assert row.report["calibrated"]["auroc"] > 0.95 > 0.05 > row.report["prior"]["auroc"]
    assert AuditEntry.objects.get(verb="calibrate").details["clips"] == 40


def test_what_is_heard_later_shows_calibrated_values_at_once_and_only_here(
    collection: Collection, model: ModelVersion
) -> None:
    calibrated(collection, model, make_audit(collection, model))
    elsewhere = make_collection()
    Alias.objects.create(collection=elsewhere, name=Alias.Name.CHAMPION, model=model)
    here, there = make_clip(collection, 410), make_clip(elsewhere, 411)
    for clip in (here, there):
        hear(clip, model, text="left", sure=True)
    show_on_clips(model, [here.pk, there.pk])
    here.refresh_from_db()
    there.refresh_from_db()
    confidence, rate = shown(here)
    assert confidence > 0.8
    assert rate < 0.2
    assert here.state == Clip.State.HEARD
    assert (there.confidence, there.expected_error_rate, there.state) == (UNSURE, None, Clip.State.HEARD)


def test_another_champion_shows_its_prior_until_it_is_calibrated(
    collection: Collection, model: ModelVersion
) -> None:
    clips = make_audit(collection, model)
    calibrated(collection, model, clips)
    follow_champion(collection)
    other = make_model()
    hear(clips[0], other, text="left", sure=True)
    Alias.objects.filter(collection=collection).update(model=other)
    follow_champion(collection)
    clips[0].refresh_from_db()
    clips[1].refresh_from_db()
    assert (clips[0].confidence, clips[0].expected_error_rate) == (UNSURE, None)
    assert (clips[1].confidence, clips[1].expected_error_rate) == (None, None)


def test_a_job_that_runs_again_calibrates_once_and_a_new_one_anew(
    collection: Collection, model: ModelVersion
) -> None:
    clips = make_audit(collection, model)
    first = calibrated(collection, model, clips)
    assert calibrated(collection, model, clips) == first
    again = Progress()
    again.job_id = 7
    second = calibrate(again, collection=collection, model=model, clips=[clip.pk for clip in clips], by=None)
    assert newest(collection, model) == second != first


def test_words_are_coloured_by_what_was_learned_of_words(collection: Collection, model: ModelVersion) -> None:
    clips = make_audit(collection, model, 60)
    row = calibrated(collection, model, clips)
    ((word, sure),) = calibrated_words(Hypothesis.objects.get(clip=clips[0]), row)
    ((_, unsure),) = calibrated_words(Hypothesis.objects.get(clip=clips[1]), row)
    assert word == "left"
    assert sure > 0.8 > 0.2 > unsure


def test_too_few_audited_clips_are_refused_and_counted(collection: Collection, model: ModelVersion) -> None:
    clips = make_audit(collection, model, 25)
    Reference.objects.filter(clip__in=clips[:10]).update(kind=Reference.Kind.IMPORTED)
    with pytest.raises(EarmarkError, match="15 clips") as caught:
        submit_calibration(collection=collection, model=model, clips=[clip.pk for clip in clips], by=None)
    assert caught.value.error_id == "recognition:calibration:too_few"


def test_a_calibration_that_is_needed_and_missing_is_named(
    collection: Collection, model: ModelVersion
) -> None:
    with pytest.raises(EarmarkError) as caught:
        required(collection, model)
    assert caught.value.error_id == "recognition:calibration:missing"
