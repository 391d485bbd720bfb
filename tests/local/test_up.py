"""`earmark up`, whole: a site that answers, a content doctor, and a clean end on SIGTERM."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from earmark.local.environment import load
from earmark.local.ports import free_port, is_free
from tests.services import STACK

EARMARK = str(Path(sys.executable).with_name("earmark"))


@pytest.fixture(scope="module")
def environment(stack_folders: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in STACK.environment}
    return inherited | {
        "EARMARK_VAR": str(stack_folders / "up"),
        "EARMARK_PORT": str(free_port()),
        "EARMARK_LABEL_STUDIO_PORT": str(free_port()),
        "DJANGO_SETTINGS_MODULE": "earmark.config.settings",
    }


@pytest.fixture(scope="module")
def up(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command, and what it printed until everything ran."""
    with subprocess.Popen(
        [EARMARK, "up"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("It is shown this once"):
                break
        yield process, lines
        process.send_signal(signal.SIGTERM)


def _doctor(environment: dict[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
    done = subprocess.run(
        [EARMARK, "doctor", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, {each["name"]: each for each in json.loads(done.stdout)}


def test_everything_runs_and_is_said_to(
    up: tuple[subprocess.Popen[str], list[str]], environment: dict[str, str]
) -> None:
    process, lines = up
    assert process.poll() is None, "\n".join(lines)
    site = f"http://127.0.0.1:{environment['EARMARK_PORT']}"
    label_studio = f"http://127.0.0.1:{environment['EARMARK_LABEL_STUDIO_PORT']}"
    assert f"The site:      {site}" in lines
    assert f"Label Studio:  {label_studio}" in lines
    assert httpx.get(f"{site}/health").json() == {"status": "UP"}
    code, findings = _doctor(environment)
    assert [name for name, each in findings.items() if not each["is_fine"]] == []
    assert code == 0
    assert findings["label-key"]["is_fine"]


def test_the_first_administrator_can_sign_in(
    up: tuple[subprocess.Popen[str], list[str]], environment: dict[str, str]
) -> None:
    _, lines = up
    greeting = next(line for line in lines if line.startswith("Sign in as"))
    username, password = greeting.removeprefix("Sign in as ").split(" with the password ")
    site = f"http://127.0.0.1:{environment['EARMARK_PORT']}"
    with httpx.Client(base_url=site, follow_redirects=True) as client:
        page = client.get("/admin/login/?next=/admin/")
        token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        form = {"username": username, "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
        assert client.post("/admin/login/", data=form).url.path == "/admin/"


def test_a_second_one_is_refused(
    up: tuple[subprocess.Popen[str], list[str]], environment: dict[str, str]
) -> None:
    done = subprocess.run([EARMARK, "up"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("local:stack:running: ")
    assert up[0].poll() is None


def test_a_worker_that_dies_comes_back(
    up: tuple[subprocess.Popen[str], list[str]], environment: dict[str, str]
) -> None:
    process, _ = up
    record = Path(environment["EARMARK_VAR"]) / "run" / "worker-cpu.json"
    os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    assert process.stdout is not None
    for line in process.stdout:
        if line.split() == ["worker-cpu", "runs", "again"]:
            break
    _, findings = _doctor(environment)
    assert findings["worker-cpu"]["is_fine"]


def test_sigterm_stops_everything_in_order(
    up: tuple[subprocess.Popen[str], list[str]], environment: dict[str, str]
) -> None:
    """Runs last: it ends what the others use."""
    process, _ = up
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 8
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    stopped = [line.split()[0] for line in rest.splitlines() if line.endswith("stopped")]
    assert stopped[-2:] == ["redis", "postgres"]
    assert set(stopped[:3]) == {"beat", "worker-cpu", "worker-gpu"}
    assert [each for each in family if each.is_running()] == []
    assert is_free(int(environment["EARMARK_PORT"]))
    assert is_free(int(environment["EARMARK_LABEL_STUDIO_PORT"]))
    assert load(Path(environment["EARMARK_VAR"])) == {}
    log = (Path(environment["EARMARK_VAR"]) / "logs" / "postgres.log").read_text()
    assert log.rstrip().endswith("database system is shut down")


def test_it_does_not_run_beside_services_of_ones_own(environment: dict[str, str]) -> None:
    other = {**environment, "DATABASE_URL": "postgresql://db.example.org/earmark"}
    done = subprocess.run([EARMARK, "up"], env=other, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("local:settings:conflict: DATABASE_URL is set")
