"""docker-compose.yml: no secret has a default, and each of our services' commands runs with its environment.

There is no container here: the commands are started as they stand, with nothing but the environment compose would
give them, hosts and folders turned to those of the test run, and asked by their own health checks.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

from earmark.local import postgres
from earmark.local.application import PROJECT, procfile
from earmark.local.ports import free_port
from tests.services import STACK

TEXT = (PROJECT / "docker-compose.yml").read_text()
BUCKET_TEXT = (PROJECT / "docker-compose.s3.yml").read_text()
COMPOSE, BUCKET = yaml.safe_load(TEXT), yaml.safe_load(BUCKET_TEXT)
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
OURS = ("web", "worker-cpu", "worker-gpu", "beat")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<mark>:\?|:-)(?P<rest>[^}]*))?\}")
PROGRAMS = f"{Path(sys.executable).parent}:/usr/bin:/bin"


def _example() -> dict[str, str]:
    """The settings of .env.example, those in comments too."""
    text = (PROJECT / ".env.example").read_text()
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def _interpolate(value: object, known: Mapping[str, str]) -> str:
    """What compose makes of a value; an unset `${NAME:?...}` is a KeyError."""

    def replace(match: re.Match[str]) -> str:
        name, mark, rest = match.group("name", "mark", "rest")
        return known.get(name, rest) if mark == ":-" else known[name]

    return REFERENCE.sub(replace, str(value))


def _command(service: Mapping[str, Any]) -> tuple[str, ...]:
    command = service["command"]
    return tuple(shlex.split(command) if isinstance(command, str) else command)


def test_every_secret_must_be_given() -> None:
    found = 0
    for name, service in [*SERVICES.items(), *BUCKET["services"].items()]:
        for setting, value in service.get("environment", {}).items():
            references = list(REFERENCE.finditer(str(value)))
            for match in references:
                if SECRET.search(match["name"]):
                    assert match["mark"] == ":?", f"{name}: {setting} has a default"
                    found += 1
            if SECRET.search(setting) and not setting.startswith("LABEL_STUDIO_ENABLE"):
                assert references, f"{name}: {setting} is written into the file"
    assert found > 10


def test_the_example_names_every_setting_and_no_secret() -> None:
    example = _example()
    assert {match["name"] for match in REFERENCE.finditer(TEXT + BUCKET_TEXT)} == set(example)
    for name, value in example.items():
        if SECRET.search(name):
            assert value == "", f"{name} has a value in .env.example"


def test_a_bucket_is_told_to_all_of_ours() -> None:
    told = {name: service["environment"]["EARMARK_MEDIA"] for name, service in BUCKET["services"].items()}
    assert set(told) == {*OURS, "prepare"}
    assert len(set(told.values())) == 1


def test_compose_runs_the_commands_of_the_embedded_default() -> None:
    commands = procfile()
    assert {name: _command(SERVICES[name]) for name in OURS} == {name: commands[name] for name in OURS}
    assert _command(SERVICES["prepare"]) == commands["release"]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a person would have put into .env."""
    database, broker = (urlsplit(STACK.environment[name]) for name in ("DATABASE_URL", "CELERY_BROKER_URL"))
    secrets = {name: f"test-{name.lower()}" for name, value in _example().items() if SECRET.search(name)}
    return secrets | {
        "POSTGRES_PASSWORD": str(database.password),
        "REDIS_PASSWORD": str(broker.password),
        "EARMARK_SITE_URL": "http://earmark.example.org",
        "EARMARK_ALLOWED_HOSTS": "earmark.example.org",
        "LABEL_STUDIO_PUBLIC_URL": "http://label.example.org",
        "TEST_FOLDER": str(tmp_path_factory.mktemp("container")),
        "TEST_BIND": f"127.0.0.1:{free_port()}",
    }


def _environment(name: str, given: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of service `name`, its hosts and folders being those of the test run."""
    database, broker = (urlsplit(STACK.environment[name]) for name in ("DATABASE_URL", "CELERY_BROKER_URL"))
    here = {
        "@postgres:5432/earmark": f"@127.0.0.1:{database.port}/compose",
        "@broker:6379/0": f"@127.0.0.1:{broker.port}/1",
        "/var/lib/earmark": given["TEST_FOLDER"],
        "/app/": f"{PROJECT}/",
        "0.0.0.0:8000": given["TEST_BIND"],
    }
    environment = {"PATH": PROGRAMS, "HOME": given["TEST_FOLDER"]}
    for setting, value in SERVICES[name]["environment"].items():
        text = _interpolate(value, given)
        for there, instead in here.items():
            text = text.replace(there, instead)
        environment[setting] = text
    return environment


@pytest.fixture(scope="module")
def prepared(given: dict[str, str]) -> Iterator[dict[str, str]]:
    """After compose's one-shot service: the database is laid out, static files are collected."""
    with psycopg.connect(STACK.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE DATABASE compose")
        done = subprocess.run(
            _command(SERVICES["prepare"]),
            env=_environment("prepare", given),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == '{"admin_created": true}'
        yield given
        connection.execute("DROP DATABASE compose WITH (FORCE)")


@pytest.fixture(scope="module")
def started(prepared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Our services' commands, running; the environment of each is compose's and no more."""
    logs = tmp_path_factory.mktemp("logs")
    with ExitStack() as ending:
        for name in OURS:
            process = ending.enter_context(
                subprocess.Popen(
                    _command(SERVICES[name]),
                    env=_environment(name, prepared),
                    cwd=PROJECT,
                    stdout=ending.enter_context((logs / name).open("wb")),
                    stderr=subprocess.STDOUT,
                )
            )
            ending.callback(process.terminate)
        yield prepared | {name: str(logs / name) for name in OURS}


@pytest.mark.parametrize("name", OURS)
def test_each_service_becomes_healthy(name: str, started: dict[str, str]) -> None:
    kind, *probe = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD"
    environment = _environment(name, started)
    for _ in range(30):
        done = subprocess.run(
            probe, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
        time.sleep(1)
    assert done.returncode == 0, done.stderr + Path(started[name]).read_text()


def test_a_probe_fails_where_nothing_runs(given: dict[str, str]) -> None:
    elsewhere = _environment("web", given) | {"EARMARK_BIND": f"127.0.0.1:{free_port()}"}
    done = subprocess.run(
        ["earmark", "health", "web"], env=elsewhere, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("local:health:silent: web")


def test_the_database_volume_starts_with_what_both_need() -> None:
    """The script PostgreSQL's image runs on a new volume, against the test run's server."""
    url = urlsplit(STACK.environment["DATABASE_URL"])
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(url.port), "PGPASSWORD": str(url.password)}
    with psycopg.connect(STACK.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
        try:
            subprocess.run(
                [str(PROJECT / "docker" / "postgres" / "label-studio.sh")],
                env={
                    **server,
                    "PATH": f"{postgres.binaries()}:{os.defpath}",
                    "POSTGRES_USER": str(url.username),
                    "POSTGRES_DB": "fresh",
                    "LABEL_STUDIO_POSTGRES_PASSWORD": "it's $quoted",
                },
                check=True,
                capture_output=True,
            )
            theirs = f"host=127.0.0.1 port={url.port} dbname=label_studio user=label_studio"
            with psycopg.connect(theirs, password="it's $quoted") as their_connection:
                their_connection.execute("CREATE TABLE task (id int)")
        finally:
            connection.execute("DROP DATABASE fresh WITH (FORCE)")
            connection.execute("DROP DATABASE IF EXISTS label_studio WITH (FORCE)")
            connection.execute("DROP ROLE IF EXISTS label_studio")
