"""Cut the line and kill -9 the site in the middle of an upload: it goes on, and the bytes are those that were sent."""

import base64
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from knox.models import AuthToken

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.models import Import
from earmark.corpus.services import add_member, create_collection
from earmark.corpus.uploads import BLOCK
from earmark.local.ports import free_port
from tests.whole.worker import environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
PATIENCE_SECONDS = 90
BYTES = "application/offset+octet-stream"


@contextmanager
def site(port: int, log: Path) -> Iterator[Callable[[], None]]:
    """The site as it is run, and a function that kills all its processes with SIGKILL."""
    command = [sys.executable, "-m", "gunicorn", "--config", "python:earmark.config.gunicorn"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "earmark.config.wsgi"],
            env={**os.environ, **environment(), "EARMARK_BIND": f"127.0.0.1:{port}"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def kill() -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    try:
        until(lambda: answers(port), log)
        yield kill
    finally:
        kill()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code < 500
    except httpx.TransportError:
        return False


def until(true: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)


def begin_piece(url: httpx.URL, token: str, offset: int, length: int, first: bytes) -> socket.socket:
    """A PATCH that promises `length` bytes and has sent the `first` of them."""
    line = socket.create_connection((url.host, url.port or 80))
    head = [
        f"PATCH {url.path} HTTP/1.1", f"Host: {url.host}:{url.port}", f"Authorization: Token {token}",
        "Tus-Resumable: 1.0.0", f"Upload-Offset: {offset}", f"Content-Type: {BYTES}", f"Content-Length: {length}",
    ]  # fmt: skip
    line.sendall("\r\n".join([*head, "", ""]).encode() + first)
    return line


def test_an_upload_survives_a_cut_line_and_a_killed_site(tmp_path: Path) -> None:
    log, port, data = tmp_path / "site.log", free_port(), os.urandom(5 * BLOCK + 12_345)
    collection = create_collection(slug="cut", name="Cut", by=None)
    sender = User.objects.create_user("sender", "sender@example.org", "x")
    add_member(collection=collection, user=sender, role=Role.MANAGER)
    _, token = AuthToken.objects.create(sender)
    told = {"Authorization": f"Token {token}", "Tus-Resumable": "1.0.0"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=told, timeout=PATIENCE_SECONDS) as client:
        made = send_through_a_cut_and_a_kill(client, port, token, data, log)
    (arrived,) = Path(made.source).rglob("*.wav")
    assert hashlib.sha256(arrived.read_bytes()).digest() == hashlib.sha256(data).digest()


def send_through_a_cut_and_a_kill(
    client: httpx.Client, port: int, token: str, data: bytes, log: Path
) -> Import:
    """Upload `data` as one file; the import it became."""

    def there() -> int:
        return int(client.head(url).headers["Upload-Offset"])

    with site(port, log) as kill:
        path = base64.b64encode("长/call.wav".encode()).decode()
        made = client.post(
            "/api/v1/collections/cut/uploads/",
            headers={"Upload-Length": str(len(data)), "Upload-Metadata": f"path {path}"},
        )
        url = httpx.URL(made.headers["Location"])
        cut = BLOCK + 777
        begin_piece(url, token, 0, len(data), data[:cut]).close()
        until(lambda: there() == cut, log)
        line = begin_piece(url, token, cut, len(data) - cut, data[cut : cut + 2 * BLOCK + 99])
        until(lambda: there() >= cut + 2 * BLOCK, log)
        kill()
        line.close()

    with site(port, log):
        offset = there()
        assert offset == cut + 2 * BLOCK, "what was on the disk before the kill is not sent again"
        sent = client.patch(
            url, content=data[offset:], headers={"Upload-Offset": str(offset), "Content-Type": BYTES}
        )
        assert (sent.status_code, int(sent.headers["Upload-Offset"])) == (204, len(data))
        finished = client.post("/api/v1/collections/cut/uploads/import/", json={})
        assert finished.status_code == 202, finished.text
    return Import.objects.get(pk=finished.json()["import"]["id"])
