"""The doctor's words when nothing runs; test_up has it look at a running platform."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from earmark.local.commands import doctor
from earmark.local.doctor import examine
from earmark.local.ports import free_port
from tests.services import STACK


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in STACK.environment:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EARMARK_VAR", str(tmp_path))
    return tmp_path


def test_nothing_runs(nothing_set: Path) -> None:
    result = CliRunner().invoke(doctor, ["--json"])
    assert result.exit_code == 1
    findings = {each["name"]: each for each in json.loads(result.output)}
    assert findings["set-up"]["is_fine"]
    for name in ("stack", "postgres", "broker", "label-studio", "web", "worker-cpu", "worker-gpu", "beat"):
        assert not findings[name]["is_fine"]
        assert findings[name]["do"] == "run `make run`"


def test_people_read_a_line_for_each(nothing_set: Path) -> None:
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 1
    assert f"no  stack         nothing runs over {nothing_set}: run `make run`" in result.output
    assert "ok  set-up        complete" in result.output


def test_services_of_ones_own_are_judged_by_their_settings(tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": STACK.environment["DATABASE_URL"],
        "CELERY_BROKER_URL": f"amqp://guest:secret@127.0.0.1:{free_port()}//",
        "LABEL_STUDIO_URL": f"http://127.0.0.1:{free_port()}",
    }
    findings = {each.name: each for each in examine(tmp_path, settings)}
    assert "stack" not in findings
    assert findings["postgres"].is_fine
    assert (
        findings["broker"].seen
        == f"does not answer at {settings['CELERY_BROKER_URL'].replace('guest:secret@', '')}"
    )
    assert "CELERY_BROKER_URL" in findings["broker"].do
    assert "LABEL_STUDIO_URL" in findings["label-studio"].do
    assert findings["web"].seen == "has no address"


def test_no_password_is_shown(tmp_path: Path) -> None:
    settings = {name: STACK.environment[name] for name in ("DATABASE_URL", "CELERY_BROKER_URL")}
    shown = " ".join(each.seen + each.do for each in examine(tmp_path, settings))
    assert STACK.credentials.postgres_password not in shown
    assert STACK.credentials.redis_password not in shown
