"""A run is cut into shards, heard by whoever is free, the most urgent first; killed anywhere it is heard once."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from earmark.corpus.models import Clip, Collection
from earmark.jobs import registry, running, services
from earmark.jobs.models import Job, Status
from earmark.recognition import carrying, planning, shards, transcription
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.recognition.planning import plan
from earmark.recognition.run_models import Priority, TranscriptionRun, TranscriptionShard
from earmark.recognition.runs import cancel_run, figures, submit_transcription
from earmark.speech.engine import Heard
from earmark.speech.errors import EarmarkError
from earmark.speech.stub import heard
from tests.recognition.world import Listener, make_clip, make_collection, make_model

pytestmark = pytest.mark.django_db

Shard = TranscriptionShard


@pytest.fixture
def short_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of two clips of half a second, and a look around after every batch of one."""
    monkeypatch.setattr(planning, "SHORTEST_SECONDS", 1.01)
    monkeypatch.setattr(transcription, "BATCH_SECONDS_CPU", 0.5)
    monkeypatch.setattr(carrying, "LOOK_EVERY_SECONDS", 0.0)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """What every model hears with."""
    one = Listener()
    monkeypatch.setattr(transcription, "engine_for", lambda model: one)
    return one


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[[np.ndarray], Heard]) -> Listener:
    one = Listener(answer)
    monkeypatch.setattr(transcription, "engine_for", lambda model: one)
    return one


def clips(collection: Collection, levels: range) -> list[Clip]:
    return [make_clip(collection, level) for level in levels]


def asked(collection: Collection, model: ModelVersion, **how: object) -> TranscriptionRun:
    job = submit_transcription(collection=collection, model=model, by=None, **how)  # type: ignore[arg-type]
    return TranscriptionRun.objects.select_related("job", "collection", "model").get(job=job)


def work(job: Job) -> Status | None:
    """What a worker does that gets the job's message."""
    return running.run(job.pk)


def finish(run: TranscriptionRun) -> Job:
    """Work as workers would until the run has ended."""
    for _turn in range(20):
        Job.objects.filter(pk=run.job_id, worker="elsewhere").update(lease_until=timezone.now())
        work(run.job)
        for one in list(Job.objects.waiting("gpu")):
            work(one)
        run.job.refresh_from_db()
        if run.job.is_finished:
            return run.job
    raise AssertionError(f"the run never ended: {run.job.status}")


@pytest.mark.usefixtures("short_shards")
def test_what_nobody_has_heard_and_what_another_model_heard_are_cut_apart() -> None:
    collection, old, new = make_collection(), make_model(), make_model()
    made = clips(collection, range(100, 107))
    for clip in made[1:4]:
        Hypothesis.objects.create(clip=clip, model=old, confidence=0.5)
    Hypothesis.objects.create(clip=made[6], model=new, confidence=0.5)
    run = asked(collection, new)
    assert plan(run) == 4
    cut = [(one.priority, one.clip_ids, one.seconds) for one in run.shards.all()]
    ids = [clip.pk for clip in made]
    assert cut == [
        (Priority.NEW, [ids[0], ids[4]], 1.0),
        (Priority.NEW, [ids[5]], 0.5),
        (Priority.AGAIN, ids[1:3], 1.0),
        (Priority.AGAIN, [ids[3]], 0.5),
    ]
    assert plan(run) == 0, "what a shard holds is not planned twice"


@pytest.mark.usefixtures("short_shards")
def test_the_most_urgent_shard_is_taken_whatever_the_order_of_the_messages() -> None:
    here, there, elsewhere = make_collection(), make_collection(), make_collection()
    old, new = make_model(), make_model()
    for clip in clips(here, range(100, 102)):
        Hypothesis.objects.create(clip=clip, model=old, confidence=0.5)
    clips(there, range(110, 112))
    clips(elsewhere, range(120, 122))
    wanted = [asked(here, new), asked(there, new), asked(elsewhere, new, is_urgent=True)]
    for run in wanted:
        plan(run)
    carrier = Job.objects.create(kind=shards.KIND, queue="gpu")
    held = Job.objects.claim(carrier.pk, worker="a")
    assert held is not None
    taken = [shards.claim("gpu", job=held.pk, attempt=held.attempt) for _ in range(4)]
    assert [one and one.run for one in taken] == [*reversed(wanted), None]
    assert shards.claim("cpu", job=held.pk, attempt=held.attempt) is None


@pytest.mark.usefixtures("short_shards", "engine")
def test_a_run_ends_with_the_sum_of_its_shards() -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 105))
    short = make_clip(collection, 300, seconds=0.05)
    run = asked(collection, model)
    job = finish(run)
    assert (job.status, job.result["heard"], job.result["failed"]) == (Status.SUCCEEDED, 5, 1)
    assert job.result["failures"] == {"speech:clip:too_short": 1}
    assert job.done == job.total == pytest.approx(2.55)
    assert not Hypothesis.objects.filter(clip=short).exists()
    assert set(run.shards.values_list("status", flat=True)) == {Shard.Status.DONE}
    assert run.shards.exclude(clip_ids=[]).count() == 0
    assert Job.objects.get(kind=shards.KIND, result={"shards": 3})


@pytest.mark.usefixtures("short_shards")
def test_a_shard_of_a_killed_worker_is_taken_up_and_its_late_words_are_refused(engine: Listener) -> None:
    collection, model = make_collection(), make_model()
    made = clips(collection, range(100, 102))
    run = asked(collection, model)
    plan(run)
    dead = Job.objects.claim(Job.objects.create(kind=shards.KIND, queue="gpu").pk, worker="a")
    assert dead is not None
    lost = shards.claim("gpu", job=dead.pk, attempt=dead.attempt)
    assert lost is not None
    Hypothesis.objects.create(clip=made[0], model=model, confidence=0.5)
    assert not shards.free("gpu").exists()
    Job.objects.filter(pk=dead.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    job = finish(run)
    assert (job.status, job.result["heard"]) == (Status.SUCCEEDED, 2), "what came before the kill is counted"
    assert engine.levels == [101], "and not heard again"
    assert not shards.set_progress(lost, heard=9, failures={}, seconds=9.0, busy=9.0)
    assert run.shards.get().carrier != lost.carrier


@pytest.mark.usefixtures("short_shards")
def test_a_shard_that_ends_every_worker_fails_and_the_run_says_which(engine: Listener) -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 104))
    run = asked(collection, model)
    plan(run)
    run.shards.filter(pk=run.shards.earliest("pk").pk).update(attempts=shards.MAX_ATTEMPTS)
    job = finish(run)
    assert (job.status, job.error_id) == (Status.FAILED, "recognition:run:incomplete")
    assert "1 of 2 parts" in job.error
    assert sorted(engine.levels) == [102, 103]


@pytest.mark.usefixtures("short_shards")
def test_an_attempt_that_came_further_is_counted_as_the_first() -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 102))
    run = asked(collection, model)
    plan(run)
    job = Job.objects.create(kind=shards.KIND, queue="gpu", status=Status.RUNNING)
    counted = []
    for seconds in (0.0, 0.5, 0.5, 0.7):
        held = shards.claim("gpu", job=job.pk, attempt=1)
        assert held is not None
        shards.set_progress(held, heard=0, failures={}, seconds=seconds, busy=1.0)
        counted.append(run.shards.get().attempts)
    assert counted == [1, 1, 2, 1]


@pytest.mark.usefixtures("short_shards")
def test_a_run_becomes_urgent_when_somebody_asks_for_it_so() -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 104))
    run = asked(collection, model)
    plan(run)
    begun = run.shards.earliest("pk")
    run.shards.filter(pk=begun.pk).update(status=Shard.Status.RUNNING)
    assert asked(collection, model, own_language=False) != run, "another question"
    assert asked(collection, model, is_urgent=True) == run
    assert TranscriptionRun.objects.get(pk=run.pk).is_urgent
    waiting = run.shards.exclude(pk=begun.pk)
    assert {one.priority for one in waiting} == {Priority.URGENT}


@pytest.mark.usefixtures("short_shards")
def test_a_cancelled_run_stops_at_its_next_step_and_nobody_begins_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 106))
    run = asked(collection, model)

    def answer(samples: np.ndarray) -> Heard:
        cancel_run(run, by=None)
        return heard("one")

    answering(monkeypatch, answer)
    work(run.job)
    assert work(Job.objects.get(kind=shards.KIND)) == Status.SUCCEEDED
    run.job.refresh_from_db()
    assert run.job.status == Status.CANCELLED
    assert Hypothesis.objects.count() == 1, "what is heard stays"
    assert set(run.shards.values_list("status", flat=True)) == {Shard.Status.CANCELLED}


@pytest.mark.usefixtures("short_shards")
def test_the_jobs_own_cancel_button_calls_the_shards_off() -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 106))
    run = asked(collection, model)
    work(run.job)
    services.cancel(Job.objects.get(pk=run.job_id))
    assert set(run.shards.values_list("status", flat=True)) == {Shard.Status.CANCELLED}


@pytest.mark.usefixtures("short_shards", "engine")
def test_asked_for_again_a_run_goes_on_with_what_has_come_in() -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 102))
    run = asked(collection, model)
    work(run.job)
    clips(collection, range(110, 113))
    assert asked(collection, model) == run
    assert finish(run).result["heard"] == 5
    clips(collection, range(120, 121))
    another = asked(collection, model)
    assert another != run
    assert finish(another).result["heard"] == 1


@pytest.mark.usefixtures("short_shards")
def test_a_model_that_is_gone_ends_its_own_run_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there, gone, good = make_collection(), make_collection(), make_model(), make_model()
    clips(here, range(100, 106))
    clips(there, range(110, 112))

    def engine_for(model: ModelVersion) -> Listener:
        if model == gone:
            raise EarmarkError("recognition:model:unavailable", "It is gone.", "Put it back.")
        return Listener()

    monkeypatch.setattr(transcription, "engine_for", engine_for)
    first, second = asked(here, gone), asked(there, good)
    work(first.job)
    work(second.job)
    assert finish(second).status == Status.SUCCEEDED
    job = finish(first)
    assert (job.status, job.error_id) == (Status.FAILED, "recognition:model:unavailable")
    states = list(first.shards.values_list("status", flat=True))
    assert states == [Shard.Status.FAILED, Shard.Status.CANCELLED, Shard.Status.CANCELLED]


@pytest.mark.usefixtures("short_shards")
def test_a_defect_fails_its_shard_and_the_rest_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    collection, model = make_collection(), make_model()
    clips(collection, range(100, 104))

    def answer(samples: np.ndarray) -> Heard:
        if round(float(samples.mean()) * 1000) == 100:
            raise RuntimeError("out of memory")
        return heard("one")

    answering(monkeypatch, answer)
    job = finish(asked(collection, model))
    assert job.error_id == "recognition:run:incomplete"
    assert "out of memory" in job.error
    assert Hypothesis.objects.count() == 2
    assert Job.objects.filter(kind=shards.KIND, status=Status.FAILED, error_id="jobs:unexpected").count() == 1


@pytest.mark.usefixtures("short_shards")
def test_new_clips_go_before_what_is_heard_again_even_within_a_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there, old, new = make_collection(), make_collection(), make_model(), make_model()
    for clip in clips(here, range(100, 102)):
        Hypothesis.objects.create(clip=clip, model=old, confidence=0.5)
    again = asked(here, new)
    work(again.job)
    levels: list[int] = []

    def answer(samples: np.ndarray) -> Heard:
        levels.append(round(float(samples.mean()) * 1000))
        if levels == [100]:
            clips(there, range(110, 112))
            work(asked(there, new).job)
        return heard("one")

    answering(monkeypatch, answer)
    assert work(Job.objects.filter(kind=shards.KIND).earliest("pk")) == Status.SUCCEEDED
    assert levels == [100, 110, 111, 101]
    assert again.shards.get().heard == 2


@pytest.mark.usefixtures("short_shards")
def test_what_somebody_waits_for_goes_between_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    collection, model, order = make_collection(), make_model(), list[str]()
    clips(collection, range(100, 102))

    def urgent(context: registry.Context) -> dict[str, object]:
        order.append("urgent")
        return {}

    def answer(samples: np.ndarray) -> Heard:
        if not order:
            services.submit("test.urgent")
        order.append("clip")
        return heard("one")

    registry.handler("test.urgent", queue="gpu", is_urgent=True)(urgent)
    answering(monkeypatch, answer)
    run = asked(collection, model)
    work(run.job)
    try:
        work(Job.objects.get(kind=shards.KIND))
    finally:
        registry._kinds.pop("test.urgent")
    assert order == ["clip", "urgent", "clip"]
    assert Job.objects.get(kind="test.urgent").status == Status.SUCCEEDED


def test_a_run_of_one_dialect_of_one_recording_and_nothing_unknown() -> None:
    collection, model = make_collection(), make_model()
    wanted, _other = make_clip(collection, 100, dialect="irish"), make_clip(collection, 101)
    run = asked(
        collection, model, narrowed={"dialect": "irish", "recording": wanted.recording_id, "language": ""}
    )
    plan(run)
    assert run.shards.get().clip_ids == [wanted.pk]
    assert run.narrowed == {"dialect": "irish", "recording": wanted.recording_id}
    with pytest.raises(EarmarkError) as caught:
        asked(collection, model, narrowed={"colour": "red"})
    assert caught.value.error_id == "recognition:transcription:narrowed"


def test_pace_and_time_left_are_of_all_shards_together() -> None:
    collection, model = make_collection(), make_model()
    run = asked(collection, model)
    kinds = (
        (Shard.Status.DONE, 100.0, 10.0),
        (Shard.Status.RUNNING, 20.0, 2.0),
        (Shard.Status.RUNNING, 0.0, 0.0),
    )
    for status, done, busy in (*kinds, (Shard.Status.WAITING, 0.0, 0.0)):
        Shard.objects.create(
            run=run, queue="gpu", priority=20, first_clip=1, last_clip=9, clip_ids=[1], clips=5, seconds=100.0,
            status=status, seconds_done=done, busy_seconds=busy, heard=int(done), failures={"a:b": 1},
        )  # fmt: skip
    with CaptureQueriesContext(
        connection,
    ) as queries:
        told = figures([run])[run.pk]
    assert len(queries) == 2
    assert (told.shards, told.shards_ended, told.clips, told.heard, told.failed) == (4, 1, 20, 120, 4)
    assert told.pace == pytest.approx(2 * 120 / 12), "two workers hear ten seconds a second each"
    assert told.left == pytest.approx((400 - 120) / 20)
    run.shards.filter(status=Shard.Status.RUNNING).update(status=Shard.Status.WAITING)
    assert figures([run])[run.pk].left is None, "nobody hears"
