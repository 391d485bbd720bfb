"""Figures for TensorBoard and MLflow: each once, in the form those programs read, whatever is away."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.training_jobs.world import a_launch, labelled_collection, with_platform
from training_jobs import trackers
from training_jobs.models import TrainingJob, TrainingMetric
from training_jobs.trackers import sending
from training_jobs.trackers.mlflow import MlflowTracker
from training_jobs.trackers.tensorboard import FILE, crc32c, event


@pytest.fixture
def training(db: None) -> TrainingJob:
    made = a_launch(labelled_collection())
    report(made, *range(1, 4))
    return made


def report(training: TrainingJob, *steps: int) -> None:
    TrainingMetric.objects.bulk_create(
        TrainingMetric(
            training_job=training, position=100 * step, step=step, stage="warm-up",
            values={"loss": 1 / step, "stage": "warm-up", "time": 1000.0 + step, "best_error_rate": None, "epoch": 0},
        )
        for step in steps
    )  # fmt: skip


def test_the_checksum_is_castagnoli_s() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def records(path: Path) -> list[bytes]:
    """The records of an event file, their lengths and checksums held against what they should be."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12 : 12 + length]
        for part, at in ((data[:8], 8), (body, 12 + length)):
            plain = crc32c(part)
            masked = (((plain >> 15) | (plain << 17)) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack("<I", data[at : at + 4]) == (masked,)
        found.append(body)
        data = data[16 + length :]
    return found


def test_tensorboard_gets_each_figure_once(training: TrainingJob, tmp_path: Path) -> None:
    with with_platform(tensorboard=str(tmp_path)):
        trackers.send(training)
        trackers.send(training, at_once=True)
        report(training, 4)
        trackers.send(training, at_once=True)
        trackers.close(training, status="succeeded")
    (path,) = tmp_path.rglob(FILE)
    version, *events = records(path)
    assert b"brain.Event:2" in version
    assert len(events) == 4
    at_step_two = b"\x09" + struct.pack("<d", 1002.0) + b"\x10\x02" + b"\x2a"
    assert events[1].startswith(at_step_two)
    assert b"loss" + b"\x15" + struct.pack("<f", 0.5) in events[1]
    assert b"best_error_rate" not in events[1], "what is unknown is no figure"


class Server:
    """As much of MLflow as is asked; away while `is_away`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.is_away = False
        self.is_another = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            raise httpx.ConnectError("no route")
        path = request.url.path.removeprefix("/api/2.0/mlflow/")
        if path == "experiments/get-by-name":
            return httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST"})
        if self.is_another:
            return httpx.Response(200, json={"hello": "world"})
        self.asked.append((path, json.loads(request.content)))
        answers: dict[str, Any] = {
            "experiments/create": {"experiment_id": "7"},
            "runs/create": {"run": {"info": {"run_id": "abc"}}},
        }
        return httpx.Response(200, json=answers.get(path, {}))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    connect: Callable[[str], MlflowTracker] = lambda url: MlflowTracker(  # noqa: E731
        url, transport=httpx.MockTransport(made)
    )
    monkeypatch.setattr(sending, "MlflowTracker", connect)
    return made


def test_mlflow_gets_one_run_and_its_end(training: TrainingJob, server: Server) -> None:
    with with_platform(mlflow_url="http://mlflow:5000"):
        trackers.send(training)
        report(training, 4)
        trackers.close(training, status="cancelled")
    assert [path for path, _ in server.asked] == [
        "experiments/create", "runs/create", "runs/log-batch", "runs/log-batch", "runs/log-batch", "runs/update",
    ]  # fmt: skip
    sent = [body for _, body in server.asked]
    assert sent[0] == {"name": f"earmark/{training.collection.slug}"}
    assert {"key": "recipe", "value": "article"} in sent[2]["params"]
    assert sent[3]["metrics"][1] == {"key": "loss", "value": 0.5, "timestamp": 1_002_000, "step": 2}
    assert [metric["step"] for metric in sent[4]["metrics"]] == [4]
    assert sent[5] == {"run_id": "abc", "status": "KILLED"}


def test_a_server_that_is_away_is_told_later_and_said_so(training: TrainingJob, server: Server) -> None:
    server.is_away = True
    with with_platform(mlflow_url="http://mlflow:5000"):
        trackers.send(training, at_once=True)
        training.refresh_from_db()
        assert training.trackers["mlflow"]["error"] == "no route"
        server.is_away = False
        trackers.send(training, at_once=True)
    training.refresh_from_db()
    assert "error" not in training.trackers["mlflow"]
    assert len(server.asked[-1][1]["metrics"]) == 3


def test_a_server_that_is_no_mlflow_stops_no_training(training: TrainingJob, server: Server) -> None:
    server.is_another = True
    with with_platform(mlflow_url="http://mlflow:5000"):
        trackers.send(training, at_once=True)
    training.refresh_from_db()
    assert training.trackers["mlflow"]["error"]


def test_a_figure_too_large_for_tensorboard_is_drawn_as_endless() -> None:
    assert event(1, 0.0, {"gradient_norm": 1e39}).endswith(struct.pack("<f", float("inf")))
