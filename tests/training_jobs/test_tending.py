"""Trainings in the database, with a launcher that does what a test says: devices, stops, retries, takeovers."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from earmark.accounts.models import AuditEntry
from earmark.jobs import running, services
from earmark.jobs.models import ELSEWHERE, Job, Status
from earmark.speech.errors import EarmarkError
from tests.training_jobs.world import a_launch, labelled_collection, with_platform
from training_jobs import disk_space, folders, stopping
from training_jobs.launchers import attendance
from training_jobs.launchers.launcher import CANNOT, DONE, STOPPED, Handle, Launch
from training_jobs.models import HeldDevice, TrainingJob
from training_jobs.preparing import folder_of

pytestmark = pytest.mark.django_db(transaction=True)


class Remote:
    """A launcher that starts nothing: `codes` tells how the trainer in each folder ended."""

    stays = False
    started: list[Launch] = []
    stopped: list[bool] = []
    codes: dict[Path, int | None] = {}

    def start(self, launch: Launch) -> Handle:
        self.started.append(launch)
        self.codes[launch.folder] = None
        return {"at_host": "far"}

    def poll(self, launch: Launch, handle: Handle) -> int | None:
        return self.codes[launch.folder]

    def stop(self, launch: Launch, handle: Handle, *, hard: bool) -> None:
        self.stopped.append(hard)

    def leave(self, handle: Handle) -> None:
        """It goes on."""


@pytest.fixture(autouse=True)
def remote() -> Iterator[type[Remote]]:
    Remote.started, Remote.stopped, Remote.codes = [], [], {}
    with with_platform(launcher=f"{__name__}.Remote", training_devices=("one",)):
        yield Remote


def look(training: TrainingJob) -> TrainingJob:
    """A worker takes the training's job up; the training as it is afterwards."""
    job = training.job
    assert job is not None
    Job.objects.filter(pk=job.pk, worker=ELSEWHERE).update(lease_until=timezone.now() - timedelta(seconds=1))
    running.run(job.pk)
    return TrainingJob.objects.select_related("job").get(pk=training.pk)


def state(training: TrainingJob) -> tuple[str, str]:
    assert training.job is not None
    return training.job.status, training.phase


def ends(training: TrainingJob, code: int) -> TrainingJob:
    Remote.codes[folder_of(training)] = code
    return look(training)


def test_the_highest_priority_begins_first_and_one_at_a_time(remote: type[Remote]) -> None:
    collection = labelled_collection()
    low, high, same = (a_launch(collection, seed=n, priority=p) for n, p in enumerate((0, 5, 0)))
    low = look(low)
    assert state(low) == ("running", "waiting"), "who comes first in the line is woken, whoever asks"
    high = look(high)
    assert state(high) == ("running", "running")
    assert [launch.folder for launch in remote.started] == [folder_of(high)]
    assert state(look(low)) == state(look(same)) == ("running", "waiting")
    assert list(HeldDevice.objects.values_list("name", "training_job")) == [("one", high.pk)]
    high = ends(high, CANNOT)
    assert state(high)[0] == "failed"
    assert state(look(same)) == ("running", "waiting"), "equals go as they came"
    assert state(look(low)) == ("running", "running")


def test_who_needs_more_devices_than_there_are_does_not_stop_the_line(remote: type[Remote]) -> None:
    collection = labelled_collection()
    with with_platform(training_devices=("one", "two")):
        from training_jobs.resources import Resources

        wide = a_launch(collection, priority=9, resources=Resources(processes=2))
    small = a_launch(collection, seed=2)
    assert state(look(wide)) == ("running", "waiting")
    assert state(look(small)) == ("running", "running")
    ends(small, CANNOT)
    with with_platform(training_devices=("one", "two")):
        assert state(look(wide)) == ("running", "running")
    assert remote.started[-1].devices == ("one", "two")
    assert remote.started[-1].processes == 2


def test_a_training_whose_job_died_holds_nothing(remote: type[Remote]) -> None:
    collection = labelled_collection()
    dead, next_one = a_launch(collection), a_launch(collection, seed=2)
    look(dead)
    Job.objects.filter(pk=dead.job_id).update(status=Status.FAILED, finished_at=timezone.now())
    assert state(look(next_one)) == ("running", "running")


def test_another_worker_takes_over_what_was_started(remote: type[Remote]) -> None:
    training = look(a_launch(labelled_collection()))
    job = training.job
    assert job is not None
    held = Job.objects.filter(pk=job.pk)
    held.update(worker="dead:1", lease_until=timezone.now() - timedelta(seconds=1))
    assert state(look(training)) == ("running", "running")
    assert len(remote.started) == 1, "it is found again, not started twice"


def test_a_worker_that_died_between_writing_down_and_starting_is_found_out(remote: type[Remote]) -> None:
    training = look(a_launch(labelled_collection()))
    handle = {key: value for key, value in training.handle.items() if key not in ("is_begun", "at_host")}
    TrainingJob.objects.filter(pk=training.pk).update(handle=handle)
    assert state(look(training)) == ("running", "running")
    assert len(remote.started) == 1, "it may have been started: it gets its time to show itself"
    TrainingJob.objects.filter(pk=training.pk).update(handle={**handle, "at": handle["at"] - 3600})
    assert state(look(training)) == ("running", "running")
    assert [launch.number for launch in remote.started] == [1, 2]


def test_what_was_interrupted_goes_on_and_is_given_up_after_many_fruitless_starts(
    remote: type[Remote],
) -> None:
    training = look(a_launch(labelled_collection()))
    for start in range(1, 5):
        training = ends(training, -9)
        assert (state(training), training.starts) == (("running", "running"), start + 1)
    training = ends(training, -9)
    assert training.job is not None
    assert (training.job.status, training.job.error_id) == ("failed", "training:child:interrupted")
    assert not HeldDevice.objects.exists()


def test_a_training_that_gets_on_outlives_any_number_of_dead_workers(remote: type[Remote]) -> None:
    training = look(a_launch(labelled_collection()))
    Job.objects.filter(key=f"train:{training.pk}").update(attempt=50, max_attempts=51)
    (folder_of(training) / "metrics.jsonl").write_text('{"stage": "warm-up", "step": 7, "time": 1.0}\n')
    training = ends(training, STOPPED)
    assert (training.starts, training.fruitless) == (2, 0)
    assert training.job is not None
    assert training.job.max_attempts - training.job.attempt >= stopping.MOST_ATTEMPTS


def test_after_a_defect_no_trainer_goes_on_unattended(
    remote: type[Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = look(a_launch(labelled_collection()))

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(remote, "poll", broken)
    job = look(training).job
    assert job is not None
    assert job.error_id == "jobs:unexpected"
    assert attendance.asked_to_stop(folder_of(training), 1) == "gently"
    assert not HeldDevice.objects.exists()


def test_a_worker_that_died_before_tidying_leaves_that_to_the_next(remote: type[Remote]) -> None:
    training = look(a_launch(labelled_collection()))
    (folder_of(training) / "checkpoint").mkdir()
    TrainingJob.objects.filter(pk=training.pk).update(model=training.base)
    assert state(look(training))[0] == Status.SUCCEEDED
    assert not (folder_of(training) / "checkpoint").exists()
    assert (folder_of(training) / "job.toml").exists()


def test_cancelling_is_gentle_then_hard_and_never_less(remote: type[Remote]) -> None:
    training = look(a_launch(labelled_collection()))
    assert training.job is not None
    services.cancel(training.job)
    training = look(training)
    assert (state(training), remote.stopped) == (("running", "stopping"), [False])
    stopping.stop_training(training, hard=True, by=None)
    stopping.stop_training(training, by=None)
    training = look(training)
    assert (training.stop, remote.stopped) == ("hard", [False, True])
    assert state(look(training)) == ("running", "stopping")
    training = ends(training, -9)
    assert state(training)[0] == "cancelled"
    assert not HeldDevice.objects.exists()
    assert len(remote.started) == 1
    verbs = AuditEntry.objects.filter(verb="cancel training").values_list("details__how", flat=True)
    assert sorted(verbs) == ["gently", "hard"]


def test_what_waits_is_cancelled_at_once(remote: type[Remote]) -> None:
    collection = labelled_collection()
    look(a_launch(collection))
    waiting = look(a_launch(collection, seed=2))
    stopping.stop_training(waiting, by=None)
    assert state(TrainingJob.objects.select_related("job").get(pk=waiting.pk))[0] == "cancelled"
    with pytest.raises(EarmarkError) as caught:
        stopping.stop_training(waiting, by=None)
    assert caught.value.error_id == "training:job:finished"


def test_a_retry_needs_a_reason_and_goes_on_in_the_same_folder(remote: type[Remote]) -> None:
    training = look(a_launch(labelled_collection()))
    with pytest.raises(EarmarkError, match="still under way"):
        stopping.retry(training, reason="I hope", by=None)
    training = ends(training, CANNOT)
    with pytest.raises(EarmarkError) as caught:
        stopping.retry(training, reason="  ", by=None)
    assert caught.value.error_id == "training:retry:reason"
    training = stopping.retry(training, reason="there is memory now", by=None)
    training = look(training)
    assert state(training) == ("running", "running")
    assert [(launch.folder, launch.number) for launch in remote.started] == [
        (folder_of(training), 1),
        (folder_of(training), 2),
    ]
    (entry,) = training.history
    assert (entry["reason"], entry["error_id"]) == ("there is memory now", "training:child:died")


def test_before_the_disk_is_full_it_stops_with_a_checkpoint(
    remote: type[Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = look(a_launch(labelled_collection()))
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 1000)
    training = look(training)
    assert (state(training), remote.stopped) == (("running", "stopping"), [False])
    training = ends(training, STOPPED)
    assert training.job is not None
    assert (training.job.status, training.job.error_id) == ("failed", "training:disk:no-space")
    monkeypatch.undo()
    training = stopping.retry(training, reason="there is room", by=None)
    assert state(look(training)) == ("running", "running")


def test_a_disk_too_full_for_the_audio_is_told_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = a_launch(labelled_collection())
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 1000)
    training = look(training)
    assert training.job is not None
    assert training.job.error_id == "training:disk:no-space"
    assert not (folder_of(training) / "audio").exists()


def test_audio_that_is_gone_is_told_by_its_name() -> None:
    collection = labelled_collection()
    training = a_launch(collection)
    clip = training.snapshot.items.first().clip  # type: ignore[union-attr]
    clip.recording.file.delete(save=False)
    training = look(training)
    assert training.job is not None
    assert (training.job.status, training.job.error_id) == ("failed", "corpus:audio:missing")
    assert clip.recording.name in training.job.error


def test_a_trainer_that_leaves_no_model_is_found_out(remote: type[Remote]) -> None:
    training = ends(look(a_launch(labelled_collection())), DONE)
    assert training.job is not None
    assert training.job.error_id == "training:child:no-model"


@pytest.mark.parametrize(
    ("fields", "error_id"),
    [
        ({"launcher": "nowhere.at.All"}, "training:launcher:unknown"),
        ({"launcher": "local", "launcher_options": {"speed": 3}}, "training:launcher:options"),
        ({"launcher": "command", "launcher_options": {"start": "ssh x"}}, "training:launcher:template"),
    ],
)
def test_a_launcher_that_cannot_work_refuses_the_launch(fields: dict[str, Any], error_id: str) -> None:
    collection = labelled_collection()
    with with_platform(**fields), pytest.raises(EarmarkError) as caught:
        a_launch(collection)
    assert caught.value.error_id == error_id
    assert not TrainingJob.objects.exists()


def test_folders_of_ended_trainings_are_swept_in_time() -> None:
    failed = ends(look(a_launch(labelled_collection())), CANNOT)
    alive = look(a_launch(labelled_collection()))
    stray = folder_of(failed).with_name("987654")
    stray.mkdir()
    assert failed.job is not None
    ended = failed.job.finished_at
    assert ended is not None
    assert folders.sweep(now=ended + timedelta(days=6)) == 1, "nobody owns the stray one"
    assert folder_of(failed).is_dir()
    assert folders.sweep(now=ended + timedelta(days=8)) == 1
    assert (folder_of(failed).exists(), folder_of(alive).exists(), stray.exists()) == (False, True, False)
    assert folders.sweep(now=ended + timedelta(days=9)) == 0
    stopping.retry(failed, reason="from the start", by=None)
    assert TrainingJob.objects.get(pk=failed.pk).swept_at is None
