"""A training from launch to registered model, by real launchers, processes and clocks."""

import time
from pathlib import Path

import pytest

from earmark.jobs import running, services
from earmark.jobs.models import ELSEWHERE, Job, Status
from tests.training_jobs.world import a_launch, labelled_collection, until, with_platform
from training_jobs.models import HeldDevice, TrainingJob
from training_jobs.preparing import folder_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_shell_command_trains_while_no_worker_waits(one_word_model: Path) -> None:
    collection = labelled_collection(one_word_model)
    with with_platform(launcher="command", launcher_options={"start": "nice {command}"}):
        training = a_launch(collection)
        job = training.job
        assert job is not None
        assert job.queue == "cpu"
        assert running.run(job.pk) == Status.RUNNING
        job.refresh_from_db()
        assert job.worker == ELSEWHERE, "it is parked: no worker sleeps"
        assert HeldDevice.objects.filter(training_job=training).count() == 1

        def take_it_up() -> None:
            time.sleep(0.3)
            services.wake(training.job_id or 0)
            running.run(training.job_id or 0)

        until(lambda: Job.objects.get(pk=job.pk).is_finished, pause=take_it_up)
    training = TrainingJob.objects.get(pk=training.pk)
    assert training.job is not None
    assert (training.job.status, training.job.error) == (Status.SUCCEEDED, "")
    assert training.model is not None
    assert (Path(training.model.source) / "model.safetensors").is_file()
    assert training.metrics.filter(stage="final").exists()
    assert not HeldDevice.objects.exists()
    assert {path.name for path in folder_of(training).iterdir()} >= {
        "job.toml",
        "metrics.jsonl",
        "stderr.log",
    }
    assert not (folder_of(training) / "audio").exists(), "what is not needed any more is gone"
