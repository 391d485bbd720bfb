"""A real Celery worker on the test database, to be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from django.conf import settings
from django.db import connection

from earmark.jobs import services
from earmark.jobs.models import Job
from earmark.jobs.services import wait
from tests.services import STACK

LEASE_SECONDS = 3


class Worker:
    """`celery worker` on both queues in a process group of its own."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __enter__(self) -> "Worker":
        self._output = self.log.open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "earmark.config.celery",
                "worker",
                "-Q",
                "cpu,gpu",
                "-c",
                "1",
            ],
            env={**os.environ, **environment()},
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._output.close()

    def kill(self) -> None:
        """Kill -9 the worker and its pool."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def kill_when(condition: Callable[[], bool], job: Job, *, log: Path, seconds: float = 120.0) -> None:
    """Start a worker, kill it as soon as `condition` holds while `job` is unfinished."""
    with Worker(log) as worker:
        deadline = time.monotonic() + seconds
        while not condition():
            services.sweep()
            job.refresh_from_db()
            assert not job.is_finished, (
                f"job {job.pk} ended ({job.status}, {job.error}) before it could be killed"
            )
            assert time.monotonic() < deadline, (
                f"nothing to kill after {seconds} s:\n{log.read_text()[-3000:]}"
            )
            time.sleep(0.02)
        worker.kill()
    job.refresh_from_db()
    assert not job.is_finished, "the kill came too late to prove anything"


def finish(job: Job, *, log: Path) -> Job:
    """Start a worker and let it finish `job`, with the sweeper doing what beat does."""
    with Worker(log):
        return wait(job, watch=lambda _: services.sweep() and None, poll_seconds=0.2)


def environment() -> dict[str, str]:
    told = settings.EARMARK
    database = STACK.environment["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    return {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database,
        "EARMARK_VAR": str(told.var),
        "EARMARK_MEDIA": str(settings.STORAGES["default"]["OPTIONS"]["location"]),
        "EARMARK_JOB_LEASE_SECONDS": str(LEASE_SECONDS),
        "LABEL_STUDIO_URL": told.label_studio_url,
        "LABEL_STUDIO_API_KEY": told.label_studio_api_key,
        "OMP_NUM_THREADS": "1",
    }
