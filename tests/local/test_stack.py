"""PostgreSQL and Redis under the stack: data is kept, death is answered, nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from earmark.local import postgres
from earmark.local.credentials import load_or_create
from earmark.local.environment import load
from earmark.local.lock import holder
from earmark.local.ports import free_port
from earmark.local.service import launch
from earmark.local.stack import BACKENDS, Stack
from earmark.speech.errors import EarmarkError

SUPERVISOR = """
import sys, time
from pathlib import Path
from earmark.local.service import launch
from earmark.local.stack import Stack
with Stack(var=Path(sys.argv[1]), services=("postgres", "redis")) as stack:
    print(stack.pid("postgres"), stack.pid("redis"), flush=True)
    time.sleep(600)
"""


def _eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _write(environment: dict[str, str]) -> None:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT '你好' AS word")
    with redis.Redis.from_url(environment["CELERY_BROKER_URL"]) as client:
        client.lpush("cpu", "a message")


def _read(environment: dict[str, str]) -> tuple[str, list[bytes]]:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT word FROM kept").fetchone()
    assert row is not None
    with redis.Redis.from_url(environment["CELERY_BROKER_URL"]) as client:
        return row[0], client.lrange("cpu", 0, -1)


def test_data_survives_a_restart_and_nothing_runs_in_between(stack_var: Path) -> None:
    said: list[tuple[str, str]] = []
    with Stack(var=stack_var, services=BACKENDS, say=lambda *what: said.append(what)) as stack:
        _write(stack.environment)
        pids = [stack.pid(name) for name in BACKENDS]
        assert load(stack_var) == stack.environment
        assert holder(stack_var) == os.getpid()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert load(stack_var) == {}
    assert holder(stack_var) is None
    assert [name for name, what in said if what == "stopped"] == ["redis", "postgres"]
    with Stack(var=stack_var, services=BACKENDS) as stack:
        assert _read(stack.environment) == ("你好", [b"a message"])


def test_strangers_on_the_machine_are_not_let_in(stack_var: Path) -> None:
    with Stack(var=stack_var, services=BACKENDS, durable=False) as stack:
        known = stack.environment
        secret = stack.credentials.postgres_password
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(known["DATABASE_URL"].replace(f":{secret}@", ":wrong@"))
        port = known["CELERY_BROKER_URL"].rpartition(":")[2].split("/")[0]
        with redis.Redis(port=int(port)) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        for command in (stack.pid(name) for name in BACKENDS):
            shown = " ".join(psutil.Process(command).cmdline())
            assert secret not in shown
            assert stack.credentials.redis_password not in shown


def test_pgvector_is_there(stack_var: Path) -> None:
    with (
        Stack(var=stack_var, services=["postgres"], durable=False) as stack,
        psycopg.connect(stack.environment["DATABASE_URL"]) as connection,
    ):
        assert connection.execute("SELECT '[1,2]'::vector <-> '[1,3]'::vector").fetchone() == (1.0,)


def test_one_folder_has_one_stack(stack_var: Path) -> None:
    with Stack(var=stack_var, services=["redis"]) as stack:
        with pytest.raises(EarmarkError) as caught:
            Stack(var=stack_var, services=["redis"]).start()
        assert caught.value.error_id == "local:stack:running"
        assert f"process {os.getpid()}" in str(caught.value)
        assert stack.running == ("redis",)
        assert load(stack_var) == stack.environment


def test_a_taken_port_stops_the_start_before_anything_runs(stack_var: Path) -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        for ports, setting in (
            ({"site_port": port}, "EARMARK_PORT"),
            ({"label_studio_port": port}, "EARMARK_LABEL_STUDIO_PORT"),
        ):
            stack = Stack(var=stack_var, **ports)
            with pytest.raises(EarmarkError, match=setting) as caught:
                stack.start()
            assert caught.value.error_id == "local:port:taken"
            assert stack.running == ()
            assert load(stack_var) == {}
    assert not (stack_var / "logs").exists()


def test_a_service_that_cannot_start_says_why_and_takes_the_others_down(stack_var: Path) -> None:
    with Stack(var=stack_var, services=BACKENDS, durable=False):
        pass
    (stack_var / "postgres" / "postgresql.auto.conf").write_text("shared_buffers = plenty\n")
    stack = Stack(var=stack_var, services=BACKENDS, durable=False)
    with pytest.raises(EarmarkError, match="shared_buffers") as caught:
        stack.start()
    assert caught.value.error_id == "local:service:died"
    assert stack.running == ()
    assert holder(stack_var) is None


@pytest.mark.parametrize("name", BACKENDS)
def test_what_dies_is_started_again_with_its_data(stack_var: Path, name: str) -> None:
    said: list[str] = []
    with Stack(var=stack_var, services=BACKENDS, say=lambda who, what: said.append(f"{who} {what}")) as stack:
        _write(stack.environment)
        time.sleep(1.1)  # Redis writes its journal to disk every second
        dead = stack.pid(name)
        os.kill(dead, signal.SIGKILL)

        def is_back() -> bool:
            stack.tend()
            return said[-1] == f"{name} runs again"

        assert _eventually(is_back)
        assert any(line.startswith(f"{name} died (SIGKILL), starts again in 1 s; log: ") for line in said)
        assert stack.pid(name) != dead
        assert _read(stack.environment) == ("你好", [b"a message"])


def test_the_services_do_not_outlive_a_killed_supervisor(stack_var: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(stack_var)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert len(pids) == 2
        _write(load(stack_var))
        supervisor.kill()
    assert _eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    with Stack(var=stack_var, services=BACKENDS) as stack:
        assert _read(stack.environment) == ("你好", [b"a message"])


def test_a_server_left_on_the_data_gives_way(stack_var: Path) -> None:
    """As after a kill -9 on a system that does not tie a child's life to its parent's."""
    made = postgres.service(
        var=stack_var, port=free_port(), credentials=load_or_create(stack_var), durable=False
    )
    left = launch(made, logs=stack_var / "logs", records=stack_var / "unknown")
    assert _eventually(left.check)
    with Stack(var=stack_var, services=["postgres"], durable=False) as stack:
        assert left.process.wait() == 0
        assert stack.pid("postgres") != left.pid
