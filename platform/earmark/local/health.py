"""Does it do its work? One question per kind of process; each answers within seconds and never raises."""

import socket
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SITE_PATH = "/health"
BEAT_FILE = "beat-alive"
BEAT_SECONDS = 60.0
QUEUES = {"worker-cpu": "cpu", "worker-gpu": "gpu"}
# the settings each process type is asked with
NEEDS = {
    "web": ("EARMARK_BIND", "EARMARK_SITE_URL"),
    "worker-cpu": ("CELERY_BROKER_URL",),
    "worker-gpu": ("CELERY_BROKER_URL",),
    "beat": ("EARMARK_VAR",),
}
PROCESSES = tuple(NEEDS)


def process_answers(name: str, environment: Mapping[str, str]) -> bool:
    """Whether process type `name` of the Procfile, started on this machine with `environment`, does its work."""
    if name == "web":
        return site_answers(environment["EARMARK_BIND"], environment["EARMARK_SITE_URL"])
    if name == "beat":
        return beat_answers(Path(environment["EARMARK_VAR"]))
    return worker_answers(environment["CELERY_BROKER_URL"], QUEUES[name])


def database_answers(url: str) -> bool:
    """Whether PostgreSQL at `url` runs a query."""
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() is not None
    except psycopg.Error:
        return False


def redis_answers(url: str) -> bool:
    """Whether Redis at `url` answers a ping."""
    import redis

    client = redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def http_answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET of `url` comes back with status 200."""
    request = urllib.request.Request(url, headers=dict(headers or {}))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException, ValueError):
        return False


def site_answers(bind: str, site_url: str) -> bool:
    """Whether the site bound to `bind` (host:port) on this machine serves `site_url` and reaches its database."""
    port = bind.rpartition(":")[2]
    site = urlsplit(site_url)
    return http_answers(
        f"http://127.0.0.1:{port}{SITE_PATH}", {"Host": site.netloc, "X-Forwarded-Proto": site.scheme}
    )


def broker_answers(url: str) -> bool:
    """Whether the broker at `url`, of whatever kind Celery knows, accepts a connection."""
    app, errors = _celery(url)
    try:
        with app.connection_for_read(connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    except errors:
        return False
    return True


def consumers(broker_url: str, *, seconds: float = 2.0) -> dict[str, tuple[str, ...]]:
    """The queues of every worker that answers through the broker within `seconds`, by worker name."""
    app, errors = _celery(broker_url)
    try:
        found = app.control.inspect(timeout=seconds).active_queues()
    except errors:
        return {}
    return {name: tuple(queue["name"] for queue in queues) for name, queues in (found or {}).items()}


def worker_answers(broker_url: str, queue: str) -> bool:
    """Whether the worker of `queue` on this machine answers a ping through the broker."""
    app, errors = _celery(broker_url)
    try:
        replies = app.control.ping(destination=[f"{queue}@{socket.gethostname()}"], timeout=0.5)
    except errors:
        return False
    return bool(replies)


def _celery(broker_url: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """A Celery application that only talks to the broker, and all the ways in which that can fail."""
    from celery import Celery
    from kombu.exceptions import KombuError

    app = Celery(set_as_current=False)
    # not `broker`, over which Celery itself puts CELERY_BROKER_URL
    app.conf.update(broker_read_url=broker_url, broker_write_url=broker_url)
    connection = app.connection_for_read()
    return app, (*connection.connection_errors, *connection.channel_errors, KombuError, OSError)


def beat_answers(var: Path) -> bool:
    """Whether beat's loop has turned within the last minute, by the file it touches at each turn."""
    try:
        touched = (var / BEAT_FILE).stat().st_mtime
    except FileNotFoundError:
        return False
    return time.time() - touched < BEAT_SECONDS
