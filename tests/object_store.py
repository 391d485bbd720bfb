"""A real server that speaks S3, for tests of buckets: moto's, in a process of its own."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest

from earmark.local.ports import free_port

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests-only",
    "AWS_DEFAULT_REGION": "us-east-1",
}
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of its own, and a client that speaks to it."""

    endpoint: str
    name: str
    client: Any

    def names(self) -> list[str]:
        """The names of all objects in it."""
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server that runs for the whole session."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def s3_account(monkeypatch: pytest.MonkeyPatch, s3_server: str) -> str:
    """The environment speaks to the test server, as an operator's would; its address."""
    for name, value in {**ACCOUNT, "AWS_ENDPOINT_URL_S3": s3_server}.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def s3_bucket(s3_account: str) -> Bucket:
    """A bucket that nobody else uses."""
    client = boto3.client("s3", endpoint_url=s3_account)
    name = f"tests-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return Bucket(s3_account, name, client)


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the S3 server ended with {process.returncode}")
        try:
            httpx.get(address, timeout=1)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the S3 server does not answer")
