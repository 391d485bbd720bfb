"""The platform's own processes: the commands of the Procfile, which production runs too."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from earmark.local.health import BEAT_FILE, QUEUES, process_answers
from earmark.local.ports import LOOPBACK
from earmark.local.service import Port, Service
from earmark.speech.errors import EarmarkError

PROJECT = Path(__file__).resolve().parents[3]
PROCFILE = PROJECT / "Procfile"
SITE_SETTING = "EARMARK_PORT"
# tasks a worker does at a time: Celery would take one for each processor, and this machine also hears and trains
DEFAULTS = {"CELERY_WORKER_CONCURRENCY": "2"}


def procfile(path: Path = PROCFILE) -> dict[str, tuple[str, ...]]:
    """The command of each process type. Raises EarmarkError `local:procfile:missing`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise EarmarkError(
            "local:procfile:missing",
            f"{path} cannot be read: {error}.",
            "Run Earmark from a checkout of its repository.",
        ) from error
    entries = (line.partition(":") for line in lines if line.strip())
    return {name.strip(): tuple(shlex.split(command)) for name, _, command in entries}


def site_url(port: int) -> str:
    """Where people reach the embedded site."""
    return f"http://{LOOPBACK}:{port}"


def service(name: str, environment: Mapping[str, str], *, site_port: int) -> Service:
    """The process type `name` (web, worker-cpu, worker-gpu or beat) under the stack's `environment`."""
    if name == "beat":
        (Path(environment["EARMARK_VAR"]) / BEAT_FILE).unlink(missing_ok=True)
    is_worker = name in QUEUES
    return Service(
        name=name,
        command=procfile()[name],
        environment=_process_environment(environment),
        directory=PROJECT,
        ready=lambda: process_answers(name, environment),
        address=site_url(site_port) if name == "web" else "",
        port=Port(site_port, SITE_SETTING) if name == "web" else None,
        # a warm shutdown finishes the task at hand; what it cannot finish is taken up at the next start
        stop_seconds=15.0,
        stop_at_once=signal.SIGQUIT if is_worker else signal.SIGTERM,
        # a worker whose broker died with the supervisor does not get to the end of an orderly shutdown
        orphaned=signal.SIGKILL if is_worker else signal.SIGTERM,
    )


def prepare(environment: Mapping[str, str], *, log: Path) -> str:
    """Run the release command; its last line. Raises EarmarkError `local:prepare:failed` with the log's end."""
    done = subprocess.run(
        procfile()["release"],
        env=_process_environment(environment),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    lines = (done.stdout if done.returncode == 0 else done.stdout + done.stderr).strip().splitlines()
    if done.returncode:
        raise EarmarkError(
            "local:prepare:failed",
            "Database and static files could not be brought up to date:\n" + "\n".join(lines[-20:]) + "\n",
            f"Mend what it names, then start again; the whole output is in {log}.",
        )
    return lines[-1] if lines else ""


def _process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The person's own settings under the stack's, with this Python's programs first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**DEFAULTS, **os.environ, **environment, "PATH": path, "PYTHONUNBUFFERED": "1"}
