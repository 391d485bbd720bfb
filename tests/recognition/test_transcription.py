"""Killed, doubled or fed with rubbish, a transcription hears every clip once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from django.db import connection

from earmark.corpus.models import Clip, Recording
from earmark.corpus.stored import UnreachableError
from earmark.jobs import running
from earmark.jobs.models import Job, Status
from earmark.jobs.running import Cancelled
from earmark.recognition import reading, transcription, writing
from earmark.recognition.models import Hypothesis, TranscriptionFailure
from earmark.recognition.run_models import TranscriptionRun
from earmark.recognition.runs import submit_transcription
from earmark.recognition.transcription import clips_for, progress_note, transcribe
from earmark.speech.engine import Heard
from earmark.speech.errors import EarmarkError
from earmark.speech.stub import heard
from tests.recognition.world import Listener, Progress, make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three windows of at most four clips, batches of about two."""
    monkeypatch.setattr(transcription, "WINDOW_CLIPS", 4)
    monkeypatch.setattr(transcription, "BATCH_SECONDS_CPU", 1.3)


def test_each_clip_gets_what_was_heard_in_its_own_audio() -> None:
    collection, model = make_collection(), make_model()
    clips = {level: make_clip(collection, level, seconds=0.2 + level / 1000) for level in (300, 100, 200)}
    asked = Clip.objects.filter(pk=clips[100].pk)
    asked.update(state=Clip.State.IN_ROUND)
    assert transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener()) == 3
    for level, clip in clips.items():
        hypothesis = Hypothesis.objects.get(clip=clip, model=model)
        assert hypothesis.text == f"level {level}"
        assert hypothesis.tokens[0] == ["l", -0.05, 0.1]
        assert 0 < hypothesis.confidence <= 1
    states = dict(Clip.objects.values_list("pk", "state"))
    assert states == {clips[100].pk: "in_round", clips[200].pk: "heard", clips[300].pk: "heard"}


def test_what_a_model_has_heard_it_does_not_hear_again_but_another_model_does() -> None:
    collection, first, second = make_collection(), make_model(), make_model()
    for level in (100, 200):
        make_clip(collection, level)
    engine = Listener()
    assert transcribe(Progress(), clips=Clip.objects.all(), model=first, engine=engine) == 2
    make_clip(collection, 300)
    assert transcribe(Progress(), clips=Clip.objects.all(), model=first, engine=engine) == 1
    assert transcribe(Progress(), clips=Clip.objects.all(), model=second, engine=engine) == 3
    assert sorted(engine.levels) == [100, 100, 200, 200, 300, 300]


@pytest.mark.usefixtures("small_batches")
def test_killed_in_the_middle_it_loses_nothing_and_doubles_nothing() -> None:
    collection, model, engine = make_collection(), make_model(), Listener()
    for level in range(100, 110):
        make_clip(collection, level)
    for cancel_at in (2, 1):
        with pytest.raises(Cancelled):
            transcribe(Progress(cancel_at), clips=Clip.objects.all(), model=model, engine=engine)
    assert 0 < Hypothesis.objects.count() < 10
    assert Clip.objects.filter(state="heard").count() == Hypothesis.objects.count()
    transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=engine)
    assert sorted(engine.levels) == list(range(100, 110))
    assert sorted(Hypothesis.objects.values_list("clip_id", flat=True)) == sorted(
        Clip.objects.values_list("pk", flat=True)
    )
    assert not Clip.objects.exclude(state="heard").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


@pytest.mark.usefixtures("small_batches")
def test_killed_between_hearing_and_writing_the_batch_is_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    collection, model, engine = make_collection(), make_model(), Listener()
    for level in range(100, 106):
        make_clip(collection, level)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write", _die)
        with pytest.raises(KeyboardInterrupt):
            transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=engine)
    assert not Hypothesis.objects.exists()
    assert transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=engine) == 6


def _die(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("small_batches")
@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_write_each_clip_once() -> None:
    collection, model = make_collection(), make_model()
    for level in range(100, 112):
        make_clip(collection, level, seconds=0.3 + (level % 3) / 10)
    together = threading.Barrier(2, timeout=20)

    def answer(samples: np.ndarray) -> Heard:
        if not together.broken:
            with suppress(threading.BrokenBarrierError):
                together.wait(timeout=0.5)
        return heard("both")

    def run(_: int) -> int:
        with closing(connection):
            return transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener(answer))

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, range(2))) >= 12
    assert Hypothesis.objects.count() == 12
    assert Clip.objects.filter(state="heard").count() == 12


def test_a_clip_that_cannot_be_read_is_recorded_and_the_rest_is_heard(media: Path) -> None:
    collection, model = make_collection(), make_model()
    good, bad = make_clip(collection, 100), make_clip(collection, 200)
    path = media / bad.recording.file.name
    data = path.read_bytes()
    path.write_bytes(b"not audio at all")
    assert transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener()) == 1
    failure = TranscriptionFailure.objects.get()
    assert (failure.clip, failure.error_id.split(":")[0]) == (bad, "corpus")
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, bad.state) == ("heard", "new")
    path.write_bytes(data)
    assert transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener()) == 1
    assert not TranscriptionFailure.objects.exists()


def test_a_clip_the_model_refuses_does_not_take_its_batch_along() -> None:
    collection, model = make_collection(), make_model()
    make_clip(collection, 100)
    short = make_clip(collection, 200, seconds=0.05)
    make_clip(collection, 300)
    assert transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener()) == 2
    assert transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener()) == 0
    failure = TranscriptionFailure.objects.get()
    assert (failure.clip, failure.error_id) == (short, "speech:clip:too_short")


def test_a_storage_that_is_away_stops_the_run_and_blames_no_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    collection, model = make_collection(), make_model()
    make_clip(collection, 100)
    monkeypatch.setattr(reading, "samples_of", _away)
    with pytest.raises(ConnectionError):
        transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener())
    assert not TranscriptionFailure.objects.exists()


def _away(*_: object) -> None:
    raise ConnectionError("storage is away")


def test_batches_hold_clips_of_like_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcription, "BATCH_SECONDS_CPU", 2.0)
    collection, model, engine = make_collection(), make_model(), Listener()
    for level, seconds in ((101, 0.2), (900, 0.9), (102, 0.2), (901, 0.9), (103, 0.2)):
        make_clip(collection, level, seconds=seconds)
    transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=engine)
    assert engine.calls == [[900, 901], [101, 102, 103]]


def test_windows_are_bounded_in_clips_and_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcription, "WINDOW_CLIPS", 4)
    monkeypatch.setattr(transcription, "WINDOW_SECONDS", 1.0)
    collection, model = make_collection(), make_model()
    clips = [make_clip(collection, 100 + i, seconds=s) for i, s in enumerate((0.6, 0.4, 0.6, 1.4, 0.2, 0.2))]
    ids, seconds = transcription._todo(Clip.objects.all(), model)
    assert seconds == pytest.approx(3.4)
    windows = transcription._windows(ids, model)
    assert next(windows) == clips[:2]
    Hypothesis.objects.create(clip=clips[4], model=model, confidence=1.0)
    assert list(windows) == [clips[2:3], clips[3:4], clips[5:]]


@pytest.mark.usefixtures("small_batches")
def test_progress_is_in_seconds_of_audio_and_ends_at_the_whole() -> None:
    collection, model, context = make_collection(), make_model(), Progress()
    for level in range(100, 106):
        make_clip(collection, level, seconds=0.5)
    transcribe(context, clips=Clip.objects.all(), model=model, engine=Listener())
    done = [report[0] for report in context.reports]
    assert done == sorted(done)
    assert done[0] == pytest.approx(1.0)
    assert {report[1] for report in context.reports} == {3.0}
    assert context.reports[-1][0] == 3.0
    assert "6 clips heard, 0 failed" in context.reports[-1][2]


def test_the_scopes_of_a_run() -> None:
    collection = make_collection()
    make_clip(make_collection(), 100)
    pool = make_clip(collection, 101, split="train")
    labelled = make_clip(collection, 102, text="one", state="labelled")
    lost = make_clip(collection, 103, state="unintelligible")
    test = make_clip(collection, 104, split="test", speaker="tess", text="two")
    dev = make_clip(collection, 105, split="dev", speaker="dee")
    assert set(clips_for(collection, "pool")) == {pool}
    assert set(clips_for(collection, "unlabelled")) == {pool, lost, dev}
    assert set(clips_for(collection, "all")) == {pool, labelled, lost, test, dev}
    assert set(clips_for(collection, "test")) == {test}
    with pytest.raises(EarmarkError) as caught:
        clips_for(collection, "some")
    assert caught.value.error_id == "recognition:transcription:only"


def test_the_same_run_asked_for_twice_is_one_job_and_ends_with_its_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcription, "engine_for", lambda model: Listener())
    collection, model = make_collection(), make_model()
    make_clip(collection, 100)
    job = submit_transcription(collection=collection, model=model, only="pool", by=None)
    assert submit_transcription(collection=collection, model=model, only="pool", by=None) == job
    assert submit_transcription(collection=collection, model=model, only="test", by=None) != job
    assert (job.queue, job.scope) == ("cpu", collection.scope)
    assert running.run(job.pk) == Status.RUNNING
    assert running.run(Job.objects.get(kind="recognition.carry", queue="gpu").pk) == Status.SUCCEEDED
    assert running.run(job.pk) == Status.SUCCEEDED
    assert Job.objects.get(pk=job.pk).result == {
        "run": TranscriptionRun.objects.get(job=job).pk,
        "model": model.name,
        "heard": 1,
        "seconds": 0.5,
        "failed": 0,
        "failures": {},
        "shards": 1,
        "shards_ended": 1,
        "left": None,
        "pace": Job.objects.get(pk=job.pk).result["pace"],
    }


def test_a_run_with_nothing_to_hear_loads_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcription, "engine_for", _die)
    assert transcribe(Progress(), clips=Clip.objects.all(), model=make_model()) == 0


def test_clips_are_read_together_and_those_of_a_recording_never_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collection, model = make_collection(), make_model()
    first = make_clip(collection, 100, seconds=0.9)
    Clip.objects.filter(pk=first.pk).update(seconds=0.4)
    Clip.objects.create(
        collection=collection, recording=Recording.objects.get(), start=0.4, seconds=0.5, split="train"
    )
    make_clip(collection, 200)
    asked: list[int] = []

    def samples_of(clips: list[Clip]) -> object:
        asked.append(len(clips))
        return [(clip.pk, np.zeros(8_000, dtype=np.float32)) for clip in clips]

    monkeypatch.setattr(reading, "samples_of", samples_of)
    assert transcribe(Progress(), clips=Clip.objects.all(), model=model, engine=Listener()) == 3
    assert asked == [3]


def test_a_recordings_clips_stay_in_one_handful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 3)
    clips = [Clip(pk=number, recording_id=of) for number, of in enumerate((1, 1, 2, 2, 2, 3, 4))]
    assert [len(one) for one in reading.handfuls(clips)] == [5, 2]


def test_one_bad_clip_among_many_is_found_and_a_storage_away_blames_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips = [Clip(pk=number, recording_id=number) for number in range(7)]
    calls: list[int] = []

    def samples_of(some: list[Clip]) -> list[tuple[int, np.ndarray]]:
        calls.append(len(some))
        if any(clip.pk == 4 for clip in some):
            raise EarmarkError("corpus:audio:gone", "It is gone.")
        return [(clip.pk, np.ones(8, dtype=np.float32)) for clip in some]

    monkeypatch.setattr(reading, "samples_of", samples_of)
    found = reading.read(clips, threading.Event())
    assert [one.clip.pk for one in found if one.error] == [4]
    assert [len(one.samples) for one in found] == [8, 8, 8, 8, 0, 8, 8]
    assert len(calls) <= 7

    def unreachable(some: list[Clip]) -> None:
        raise UnreachableError(ConnectionError("gone"))

    monkeypatch.setattr(reading, "samples_of", unreachable)
    with pytest.raises(UnreachableError):
        reading.read(clips, threading.Event())


def test_a_note_tells_what_is_left_only_while_something_is() -> None:
    assert progress_note(7, 1, 65.0).endswith("about 1 min 05 s left")
    assert progress_note(7, 1, 0.0) == progress_note(7, 1, None) == "7 clips heard, 1 failed"
