"""An MLflow tracking server, over its REST interface (`/api/2.0/mlflow`): no package of MLflow's is needed."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from training_jobs.trackers.sending import About, Point, State

API = "/api/2.0/mlflow"
TIMEOUT_SECONDS = 10.0
MOST_METRICS = 1000
MOST_PARAMETERS = 100
LONGEST_VALUE = 500
STATUSES = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}


class MlflowTracker:
    """One run a training, in an experiment for each collection. The server takes a figure that comes twice once."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url, self._transport = url, transport

    @cached_property
    def _client(self) -> httpx.Client:
        """Made when something is sent: certificates are read for it, and most looks at a training send nothing."""
        return httpx.Client(base_url=self._url + API, timeout=TIMEOUT_SECONDS, transport=self._transport)

    def send(self, about: "About", points: Sequence["Point"], state: "State") -> None:
        """Add figures to the training's run, making it first where there is none."""
        if "run" not in state:
            state["run"] = self._make_run(about, points)
        metrics = [
            {"key": name, "value": value, "timestamp": round(point.at * 1000), "step": point.step}
            for point in points
            for name, value in point.figures.items()
        ]
        for first in range(0, len(metrics), MOST_METRICS):
            some = metrics[first : first + MOST_METRICS]
            self._post("runs/log-batch", {"run_id": state["run"], "metrics": some})

    def close(self, about: "About", state: "State", *, status: str) -> None:
        """End the run."""
        if "run" in state:
            self._post("runs/update", {"run_id": state["run"], "status": STATUSES.get(status, "FAILED")})

    def _make_run(self, about: "About", points: Sequence["Point"]) -> str:
        made = self._post(
            "runs/create",
            {
                "experiment_id": self._experiment(f"earmark/{about.group}"),
                "run_name": about.name,
                "start_time": round(points[0].at * 1000) if points else 0,
            },
        )
        run: str = made["run"]["info"]["run_id"]
        parameters = [
            {"key": name, "value": value[:LONGEST_VALUE]}
            for name, value in list(about.settings.items())[:MOST_PARAMETERS]
        ]
        self._post("runs/log-batch", {"run_id": run, "params": parameters})
        return run

    def _experiment(self, name: str) -> str:
        answer = self._client.get("/experiments/get-by-name", params={"experiment_name": name})
        if answer.status_code == httpx.codes.NOT_FOUND:
            made: str = self._post("experiments/create", {"name": name})["experiment_id"]
            return made
        found: str = answer.raise_for_status().json()["experiment"]["experiment_id"]
        return found

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._client.post(f"/{path}", json=body).raise_for_status().json()
