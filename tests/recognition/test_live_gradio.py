"""The Gradio service as its users call it: a real server, gradio's own client, the demo model."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from django.conf import settings
from django.db import connection

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.accounts.sign_in import TRIES
from earmark.corpus.models import Membership
from earmark.recognition.live_gradio import Door, answers, check_open, coloured
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.errors import EarmarkError
from earmark.speech.stub import StubEngine, heard
from tests.recognition.world import make_collection

PASSWORD = "a quiet room"


@pytest.fixture(scope="module")
def flac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("given") / "noise.flac"
    noise = 0.1 * np.random.default_rng(4).standard_normal(SAMPLE_RATE)
    path.write_bytes(write_flac(noise.astype(np.float32)))
    return path


@pytest.fixture
def ada(transactional_db: None) -> User:
    """Somebody with an account; what is written is seen by other processes."""
    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def served(ada: User, tmp_path: Path) -> Iterator[str]:
    """A service in a process of its own, on a free port, behind the accounts of this database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"DATABASE_URL": _database_url(), "EARMARK_VAR": str(settings.EARMARK.var), "OMP_NUM_THREADS": "1"}
    told |= {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", "from earmark.config.cli import main; main()", "serve-gradio",
         "--port", str(port), "--json"],
        env={**os.environ, **told, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE, text=True, cwd=settings.BASE_DIR,
    )  # fmt: skip
    assert process.stdout
    try:
        yield json.loads(process.stdout.readline())["address"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _database_url() -> str:
    name = connection.settings_dict["NAME"]
    head, _, tail = settings.EARMARK.database_url.rpartition("/")
    return f"{head}/{name}" + (f"?{tail.partition('?')[2]}" if "?" in tail else "")


def test_users_of_the_original_service_find_what_they_know(served: str, flac: Path, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    assert httpx.get(f"{served}config").status_code == 401
    client = Client(served, auth=("ada", PASSWORD), verbose=False)
    text, told = client.predict(handle_file(flac), "auto", api_name="/transcribe")
    assert isinstance(text, str)
    assert told["seconds"] == 1.0
    assert set(told["clips"][0]) >= {"text", "confidence", "flags"}
    assert "".join(word["before"] + word["text"] for word in told["words"]) == text
    bad = tmp_path / "letter.mp3"
    bad.write_text("Dear Sir or Madam")
    with pytest.raises(AppError, match=r"letter\.mp3.*corpus:audio:unreadable"):
        client.predict(handle_file(bad), "en", api_name="/transcribe")
    elsewhere = {"path": "http://127.0.0.1:9/a.wav", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="Send the file"):
        client.predict(elsewhere, "en", api_name="/transcribe")
    page = httpx.get(served, cookies=client.cookies).text
    assert "fonts.googleapis" not in page
    assert '"analytics_enabled":false' in page.replace(" ", "")
    User.objects.update(is_active=False)
    with pytest.raises(AppError, match="recognition:gradio:refused"):
        client.predict(handle_file(flac), "auto", api_name="/transcribe")
    client.close()


def test_answers_grow_and_end_whole(flac: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.recognition.live_gradio.WRITTEN_EVERY_SECONDS", 0.0)
    told = list(answers(flac, engine=StubEngine(lambda _: heard("hi you")), language="en"))
    assert [text for text, _ in told][:3] == ["h", "hi", "hi "]
    text, last = told[-1]
    assert text == "hi you"
    assert last["clips"][0]["confidence"] > 0
    assert [word["text"] for word in last["words"]] == ["hi", "you"]
    assert coloured(last) == [
        ("hi", pytest.approx(0.049, abs=1e-3)),
        (" you", pytest.approx(0.049, abs=1e-3)),
    ]
    assert coloured(None) == []


@pytest.mark.django_db
def test_the_door_is_that_of_the_platform() -> None:
    User.objects.create_user("bob", password=PASSWORD)
    gone = User.objects.create_user("gone", "g@example.org", PASSWORD, is_active=False)
    assert Door(None).opens("bob", PASSWORD)
    assert not Door(None).opens(gone.username, PASSWORD)
    assert not Door(None).opens("nobody", PASSWORD)
    for _ in range(TRIES):
        assert not Door(None).opens("bob", "wrong")
    assert not Door(None).opens("bob", PASSWORD)  # the door stays shut for a while


@pytest.mark.django_db
def test_a_collections_service_is_for_its_members() -> None:
    bob, collection = User.objects.create_user("bob", password=PASSWORD), make_collection()
    door = Door(collection)
    assert not door.opens("bob", PASSWORD)
    Membership.objects.create(user=bob, collection=collection, role=Role.VIEWER)
    assert door.opens("bob", PASSWORD)
    door.check("bob")
    Membership.objects.all().delete()
    with pytest.raises(EarmarkError) as refused:
        door.check("bob")
    assert refused.value.error_id == "recognition:gradio:refused"


def test_without_sign_in_it_is_for_this_machine_alone() -> None:
    check_open("127.0.0.1")
    with pytest.raises(EarmarkError) as refused:
        check_open("0.0.0.0")
    assert refused.value.error_id == "recognition:gradio:open"
