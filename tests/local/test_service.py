"""A child that dies, stays silent, loses its port or outlives its supervisor."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from earmark.local import service as services
from earmark.local.ports import free_port
from earmark.local.service import Child, Port, Service
from earmark.speech.errors import EarmarkError

Launch = Callable[..., Child]
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start a Python program as the service `worker`."""
    children: list[Child] = []

    def start(program: str, **settings: object) -> Child:
        made = Service(
            name="worker",
            command=(sys.executable, "-c", program),
            environment={"PATH": os.defpath},
            directory=tmp_path,
            **{"ready": lambda: False, **settings},  # type: ignore[arg-type]
        )
        children.append(services.launch(made, logs=tmp_path / "logs", records=tmp_path / "run"))
        return children[-1]

    yield start
    for child in children:
        services.end(child, hurried=lambda: True)


def _eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_death_at_start_shows_the_end_of_this_starts_log(launch: Launch) -> None:
    launch("print('an older start')").process.wait()
    child = launch("import sys; print('line', 1); sys.exit('no such model')")
    child.process.wait()
    with pytest.raises(EarmarkError) as caught:
        child.check()
    assert caught.value.error_id == "local:service:died"
    assert "exit code 1" in str(caught.value)
    assert "line 1" in str(caught.value)
    assert "no such model" in str(caught.value)
    assert "an older start" not in str(caught.value)
    assert str(child.log) in str(caught.value)


def test_a_service_that_never_answers_is_given_up(launch: Launch) -> None:
    child = launch("import time; time.sleep(60)", ready_seconds=0.0)
    with pytest.raises(EarmarkError) as caught:
        _eventually(child.check)
    assert caught.value.error_id == "local:service:unready"


def test_an_answer_from_somebody_elses_port_does_not_count(launch: Launch) -> None:
    """Label Studio moves to the next port when its own is taken, and something else answers in its place."""
    child = launch("import time; time.sleep(60)", ready=lambda: True, port=Port(free_port(), "EARMARK_PORT"))
    with pytest.raises(EarmarkError) as caught:
        child.check()
    assert caught.value.error_id == "local:port:taken"


def test_ending_a_service_ends_its_whole_session(launch: Launch, tmp_path: Path) -> None:
    child = launch(
        "import subprocess, sys, time\n"
        "for apart in (False, True):\n"
        "    print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=apart).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    assert _eventually(lambda: len(child.log.read_text().split()) == 2)
    grandchildren = [int(pid) for pid in child.log.read_text().split()]
    services.ask_to_stop(child)
    services.end(child, hurried=lambda: False)
    assert child.exit_code == -signal.SIGTERM
    assert not any(psutil.pid_exists(pid) for pid in grandchildren)
    assert not child.record.exists()


def test_one_that_ignores_the_friendly_signal_is_ended_all_the_same(launch: Launch) -> None:
    child = launch(
        DEAF,
        stop_seconds=0.2,
        stop_at_once=signal.SIGQUIT,
    )
    assert _eventually(lambda: "deaf" in child.log.read_text())
    services.ask_to_stop(child)
    services.end(child, hurried=lambda: False)
    assert child.exit_code == -signal.SIGQUIT


def test_what_a_killed_supervisor_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    ) as left:
        record = tmp_path / "web.json"
        record.write_text(json.dumps({"pid": left.pid, "created": psutil.Process(left.pid).create_time()}))
        assert services.end_leftovers(tmp_path) == ["web"]
        assert not psutil.pid_exists(left.pid)
    assert not record.exists()


def test_a_stranger_with_the_number_of_an_old_child_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as other:
        born = psutil.Process(other.pid).create_time()
        for created in (born - 100, psutil.boot_time() - 100):
            (tmp_path / "web.json").write_text(json.dumps({"pid": other.pid, "created": created}))
            assert services.end_leftovers(tmp_path) == []
        assert other.poll() is None
        other.communicate(b"\n")


def test_a_child_gets_its_own_last_signal_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    supervisor = f"""
import os, signal, sys, time
from pathlib import Path
from earmark.local.service import Service, launch
folder = Path(sys.argv[1])
made = Service(name="worker", command=(sys.executable, "-c", {DEAF!r}), environment=dict(os.environ),
               directory=folder, ready=lambda: True, orphaned=signal.SIGKILL)
child = launch(made, logs=folder, records=folder)
while "deaf" not in child.log.read_text():
    time.sleep(0.02)
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", supervisor, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        child = int(killed.stdout.readline())
        assert psutil.pid_exists(child)
        killed.kill()
    assert _eventually(lambda: not psutil.pid_exists(child))
