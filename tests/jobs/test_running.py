"""A job is a row that moves by compare-and-swap: nothing is lost, nothing happens twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from earmark.jobs import models, registry, running, services
from earmark.jobs.models import ELSEWHERE, Job, Status
from earmark.jobs.running import LeaseLost
from earmark.speech.errors import EarmarkError

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def calls() -> Any:
    """A kind of job named `test`, whose handler does what the test puts in `script`."""
    seen: list[Any] = []

    def run(context: registry.Context, **arguments: Any) -> dict[str, Any]:
        seen.append(arguments)
        step = arguments.get("step")
        if step == "fail":
            raise EarmarkError("test:value:bad", "The value 7 is bad.", "Give another.")
        if step == "broken":
            raise ValueError("oops")
        if step == "away":
            raise ConnectionError("gone")
        if step == "progress":
            context.progress(1, 4, "one")
        return {"answer": 42}

    registry.handler("test")(run)
    yield seen
    registry._kinds.pop("test")


def job(**fields: Any) -> Job:
    arguments = fields.pop("arguments", {})
    return Job.objects.create(kind="test", queue="cpu", arguments=arguments, **fields)


def test_a_job_runs_once_however_often_it_is_sent(calls: list[Any]) -> None:
    row = job()
    assert running.run(row.pk) == Status.SUCCEEDED
    assert running.run(row.pk) is None
    row.refresh_from_db()
    assert (row.status, row.result, row.attempt, len(calls)) == (Status.SUCCEEDED, {"answer": 42}, 1, 1)


def test_a_held_job_is_not_taken_until_its_lease_runs_out(calls: list[Any]) -> None:
    row = job()
    first = Job.objects.claim(row.pk, worker="a")
    assert first is not None
    assert Job.objects.claim(row.pk, worker="b") is None
    Job.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    second = Job.objects.claim(row.pk, worker="b")
    assert second is not None
    assert second.attempt == 2
    assert not first.heartbeat()
    assert not first.set_succeeded({"late": True})
    assert second.set_succeeded({})


@pytest.mark.parametrize(("step", "error_id"), [("fail", "test:value:bad"), ("broken", "jobs:unexpected")])
def test_a_failure_is_recorded_with_its_id(calls: list[Any], step: str, error_id: str) -> None:
    row = job(arguments={"step": step})
    assert running.run(row.pk) == Status.FAILED
    row.refresh_from_db()
    assert row.error_id == error_id
    assert "Traceback" in row.traceback
    with pytest.raises(EarmarkError, match=r"bad|oops"):
        services.wait(row)


def test_what_was_only_away_is_tried_again_later(calls: list[Any]) -> None:
    row = job(arguments={"step": "away"})
    assert running.run(row.pk) == Status.QUEUED
    row.refresh_from_db()
    assert row.not_before > timezone.now()
    assert running.run(row.pk) is None, "it is not due yet"


def test_waits_grow_and_stay_bounded_for_what_was_parked_often() -> None:
    assert [running.wait_seconds(attempt) for attempt in (1, 2, 5, 9, 40_000)] == [2, 4, 32, 300, 300]


def test_a_kind_that_sees_to_its_own_end_is_run_though_it_was_cancelled(calls: list[Any]) -> None:
    asked: list[Job] = []
    registry.handler("own-end", cancel=asked.append)(lambda context: {"ended": True})
    try:
        row = Job.objects.create(kind="own-end", queue="cpu")
        services.cancel(row)
        row.refresh_from_db()
        assert (asked, row.status) == ([row], Status.QUEUED)
        services.ask_to_end(row)
        assert running.run(row.pk) == Status.SUCCEEDED
    finally:
        registry._kinds.pop("own-end")


def test_what_was_sent_lately_is_not_sent_again(calls: list[Any]) -> None:
    now = timezone.now()
    parked = job(status=Status.RUNNING, worker=ELSEWHERE, lease_until=now - timedelta(seconds=1))
    assert (services.sweep(), services.sweep()) == (1, 0), "no pile of messages while every worker is busy"
    assert running.run(parked.pk) == Status.SUCCEEDED


def test_attempts_are_bounded(calls: list[Any]) -> None:
    row = job(attempt=5)
    assert running.run(row.pk) == Status.FAILED
    row.refresh_from_db()
    assert row.error_id == "jobs:attempts:exhausted"
    assert calls == []


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_at_its_next_step(calls: list[Any]) -> None:
    queued, started = job(), job(arguments={"step": "progress"}, cancel_requested=True)
    services.cancel(queued)
    queued.refresh_from_db()
    assert queued.status == Status.CANCELLED
    assert running.run(started.pk) == Status.CANCELLED


def test_progress_of_a_lost_job_stops_the_work(calls: list[Any]) -> None:
    row = job()
    held = Job.objects.claim(row.pk, worker="a")
    assert held is not None
    Job.objects.filter(pk=row.pk).update(attempt=9)
    with pytest.raises(LeaseLost):
        running.RunningJob(held).progress(1, 2)


def test_the_sweeper_finds_what_was_dropped_and_nothing_else(calls: list[Any]) -> None:
    now = timezone.now()
    lost = job()
    expired = job(status=Status.RUNNING, lease_until=now - timedelta(seconds=1))
    job(sent_at=now)
    job(status=Status.RUNNING, lease_until=now + timedelta(seconds=60))
    job(not_before=now + timedelta(seconds=60))
    job(status=Status.SUCCEEDED)
    assert set(Job.objects.abandoned()) == {lost, expired}
    assert services.sweep() == 2


def test_two_unfinished_jobs_never_share_a_key(calls: list[Any]) -> None:
    first = services.submit("test", key="one")
    assert services.submit("test", key="one").pk == first.pk
    running.run(first.pk)
    assert services.submit("test", key="one").pk != first.pk


@pytest.fixture
def patient() -> Any:
    """A kind whose work goes on elsewhere until `patient` holds something; it notes what was cancelled."""
    ended: list[Any] = []

    def run(context: registry.Context, **arguments: Any) -> dict[str, Any]:
        if not ended:
            raise registry.Later(30)
        return {"ended": ended}

    registry.handler("patient", cancelled=lambda **arguments: ended.append(arguments))(run)
    yield ended
    registry._kinds.pop("patient")


def test_a_parked_job_runs_on_in_nobodys_hands_until_it_is_woken(patient: list[Any]) -> None:
    row = Job.objects.create(kind="patient", queue="cpu", max_attempts=1)
    assert running.run(row.pk) == Status.RUNNING
    row.refresh_from_db()
    assert row.worker == ELSEWHERE
    assert running.run(row.pk) is None, "nobody takes it before its time"
    assert not Job.objects.abandoned().exists()
    patient.append("now")
    services.wake(row.pk)
    assert running.run(row.pk) == Status.SUCCEEDED, "a wait is not counted as an attempt"


def test_a_parked_job_is_cancelled_at_once_and_its_kind_is_told(patient: list[Any]) -> None:
    row = Job.objects.create(kind="patient", queue="cpu", arguments={"run": 7})
    running.run(row.pk)
    services.cancel(row)
    row.refresh_from_db()
    assert (row.status, patient) == (Status.CANCELLED, [{"run": 7}])
    held = Job.objects.create(kind="patient", queue="cpu", arguments={"run": 8}, cancel_requested=True)
    assert running.run(held.pk) == Status.CANCELLED
    assert patient == [{"run": 7}, {"run": 8}]


def test_only_a_parked_job_is_woken(calls: list[Any]) -> None:
    row = job()
    assert Job.objects.claim(row.pk, worker="a")
    services.wake(row.pk)
    assert Job.objects.claim(row.pk, worker="b") is None


def test_a_job_that_is_woken_twice_at_once_is_woken(
    patient: list[Any], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    row = Job.objects.create(kind="patient", queue="cpu")
    running.run(row.pk)
    sent: list[Any] = []
    monkeypatch.setattr(services, "send", lambda *told: sent.append(told))
    update = models.JobQuerySet.update

    def taken_at_once(rows: models.JobQuerySet, **fields: Any) -> int:
        changed = update(rows, **fields)
        update(Job.objects.filter(pk=row.pk), worker="b")
        return changed

    monkeypatch.setattr(models.JobQuerySet, "update", taken_at_once)
    with django_capture_on_commit_callbacks(execute=True):
        services.wake(row.pk)
    assert sent == [(row.pk, "cpu")]
