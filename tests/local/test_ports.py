"""Taken ports are found before anything starts, and named."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from earmark.local import ports
from earmark.speech.errors import EarmarkError


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_free_port_can_be_had() -> None:
    assert ports.is_free(ports.free_port())


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_named_with_its_holder_and_its_setting(address: str) -> None:
    with socket.socket() as server:
        server.bind((address, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(EarmarkError) as caught:
            ports.require_free(port, "the site", "EARMARK_PORT")
    assert caught.value.error_id == "local:port:taken"
    for word in (f"Port {port}", "the site", f"process {os.getpid()}", "EARMARK_PORT"):
        assert word in str(caught.value)
    ports.require_free(port, "the site", "EARMARK_PORT")


def test_only_the_family_that_listens_is_said_to_listen(listener: int) -> None:
    assert ports.listens(os.getpid(), listener)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        assert not ports.listens(stranger.pid, listener)
        stranger.communicate(b"\n")
    assert not ports.listens(stranger.pid, listener)
