"""Label Studio's HTTP API, as much of it as rounds need, with its failures as errors that say who must act.

Nothing is retried here: an import that was sent twice is two sets of tasks. Who calls looks up what is there
and then sends what is missing.
"""

import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import httpx
from django.conf import settings

from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
PAGE = 200
"""Tasks with all their annotations in one page."""
LEAN_PAGE = 1000
"""Tasks without: each page costs a tenth of a second whatever is in it."""
TASK_FIELDS = "id,data,total_annotations,cancelled_annotations"
ANNOTATION_FIELDS = (
    "id,data,updated_at,annotations,result,completed_by,was_cancelled,created_at,lead_time,parent_prediction"
)
"""What a page of tasks carries; naming it makes a page of 100 come in 0.1 s where everything takes 0.8 s."""

Task = dict[str, Any]
Result = TypeVar("Result")


class LabelStudioAway(EarmarkError):
    """Label Studio does not answer, or answers that it cannot just now: the same call may succeed later."""


class ProjectGone(EarmarkError):
    """Someone deleted the project in Label Studio."""


@dataclass(frozen=True)
class Webhook:
    """Where Label Studio calls, and the headers it sends."""

    url: str
    headers: Mapping[str, str]
    actions: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The webhook as Label Studio stores it; without a payload, for we only take the hint."""
        return {
            "url": self.url,
            "headers": dict(self.headers),
            "actions": list(self.actions),
            "send_payload": False,
            "send_for_all_actions": False,
            "is_active": True,
        }


class Key(httpx.Auth):
    """A legacy token as it is; a personal access token (a JWT) exchanged for access tokens of some minutes."""

    requires_response_body = True

    def __init__(self, api_key: str, url: str) -> None:
        self._key = api_key
        self._refresh_url = f"{url}/api/token/refresh/"
        self._access = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._key.count(".") != 2:
            request.headers["Authorization"] = f"Token {self._key}"
            yield request
            return
        if self._access:
            request.headers["Authorization"] = f"Bearer {self._access}"
            if (yield request).status_code != httpx.codes.UNAUTHORIZED:
                return
        refreshed = yield httpx.Request("POST", self._refresh_url, json={"refresh": self._key})
        if refreshed.is_success:
            self._access = refreshed.json()["access"]
            request.headers["Authorization"] = f"Bearer {self._access}"
        yield request


class LabelStudio:
    """One Label Studio, spoken to with one key. Use as a context manager.

    Every method raises LabelStudioAway (`annotation:label-studio:unreachable`, `:failed`), ProjectGone
    (`:project-gone`) where a project is named, and EarmarkError `:refused` or `:rejected`.
    """

    def __init__(self, url: str, api_key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        # A connection for each request: on a kept one its development server loses 40 ms a request to
        # Nagle's algorithm waiting for our delayed acknowledgement.
        self._http = httpx.Client(
            base_url=self.url,
            auth=Key(api_key, self.url),
            timeout=TIMEOUT_SECONDS,
            limits=httpx.Limits(max_keepalive_connections=0),
            transport=transport,
        )

    def __enter__(self) -> "LabelStudio":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create_project(self, **fields: Any) -> int:
        """Make a project; returns its id."""
        return int(self._send("POST", "/api/projects/", json=fields)["id"])

    def find_project(self, *, title: str, description: str) -> int | None:
        """The id of the project of exactly this title and description."""
        for page in self._pages("/api/projects/", {"title": title, "include": "id,title,description"}):
            for project in page:
                if project["title"] == title and project["description"] == description:
                    return int(project["id"])
        return None

    def project(self, project: int, *fields: str) -> dict[str, Any]:
        """Those fields of a project, as it is there now."""
        found: dict[str, Any] = self._send(
            "GET", f"/api/projects/{project}/", project=project, params={"include": ",".join(fields)}
        )
        return found

    def update_project(self, project: int, **fields: Any) -> None:
        """Change settings of a project."""
        self._send("PATCH", f"/api/projects/{project}/", project=project, json=fields)

    def import_tasks(self, project: int, tasks: Sequence[Task]) -> list[int]:
        """Add tasks with their predictions, all of them or none; returns their ids in order. Not idempotent."""
        path = f"/api/projects/{project}/import"
        made = self._send("POST", path, project=project, params={"return_task_ids": "true"}, json=list(tasks))
        return [int(one) for one in made["task_ids"]]

    def tasks(self, project: int) -> Iterator[list[Task]]:
        """Pages of all tasks, ordered by id: `id`, `data` and how many annotations, of which skips."""
        return self._task_pages(project, [], {"include": TASK_FIELDS}, size=LEAN_PAGE)

    def begun_tasks(self, project: int) -> set[int]:
        """The ids of tasks for which somebody has a draft."""
        drafts = [_filter("draft_exists", "equal", "Boolean", True)]
        pages = self._task_pages(project, drafts, {"include": "id"}, size=LEAN_PAGE)
        return {int(task["id"]) for page in pages for task in page}

    def annotated_tasks(self, project: int, *, since: datetime | None) -> Iterator[list[Task]]:
        """Pages of the tasks touched at or after `since`, ordered by id, with all their annotations, skips too."""
        filters = (
            [] if since is None else [_filter("updated_at", "greater_or_equal", "Datetime", _stamp(since))]
        )
        return self._task_pages(project, filters, {"include": ANNOTATION_FIELDS, "fields": "all"})

    def last_update(self, project: int) -> datetime | None:
        """When a task of the project was last touched, by Label Studio's clock; None without tasks."""
        parameters = {
            "project": project,
            "page_size": 1,
            "include": "id,updated_at",
            "query": _query([], "-tasks:updated_at"),
        }
        found = self._send("GET", "/api/tasks/", project=project, params=parameters)["tasks"]
        return datetime.fromisoformat(found[0]["updated_at"]) if found else None

    def tasks_showing(self, project: int, model: str) -> set[int]:
        """The ids of tasks that have a prediction of the model of exactly that name."""
        like = [_filter("predictions_model_versions", "contains", "List", [model])]
        pages = self._task_pages(
            project, like, {"include": "id,predictions", "fields": "all"}, size=LEAN_PAGE
        )
        return {
            int(task["id"])
            for page in pages
            for task in page
            if any(one["model_version"] == model for one in task["predictions"])
        }

    def set_data(self, task: int, data: Mapping[str, Any]) -> None:
        """Replace what a task carries; one that is gone is no error."""
        self._send("PATCH", f"/api/tasks/{task}/", json={"data": dict(data)}, missing_ok=True)

    def add_predictions(self, project: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Add predictions, each with its `task`, to tasks of the project: all or, where a task is gone, none."""
        self._send(
            "POST", f"/api/projects/{project}/import/predictions", project=project, json=list(predictions)
        )

    def predictions(self, task: int) -> list[dict[str, Any]]:
        """A task's predictions: `id`, `model_version`, `result` and more."""
        found: list[dict[str, Any]] = self._send("GET", "/api/predictions/", params={"task": task})
        return found

    def ensure_view(self, project: int, *, title: str, address: str, known: int | None) -> int:
        """Have a tab of the project that serves the tasks for `address` in the order of their place; returns its id.

        `known` is the id it had. All tasks of the tab are selected: without that, who once pressed "Label all tasks"
        would be served those of others too.
        """
        data = {
            "title": title,
            "type": "list",
            "target": "tasks",
            "filters": {"conjunction": "and", "items": [_filter("data.for", "equal", "String", address)]},
            "ordering": ["tasks:data.place"],
        }
        body = {"project": project, "data": data, "selected_items": {"all": True, "excluded": []}}
        if known is not None:
            path = f"/api/dm/views/{known}/"
            found = self._send("GET", path, missing_ok=True)
            if found and found["project"] == project:
                self._send("PATCH", path, project=project, json=body)
                return known
        return int(self._send("POST", "/api/dm/views/", project=project, json=body)["id"])

    def delete_task(self, task: int) -> None:
        """Delete a task; one that is gone already is no error."""
        self._send("DELETE", f"/api/tasks/{task}/", missing_ok=True)

    def ensure_webhook(self, project: int, wanted: Webhook) -> None:
        """Have exactly this webhook at its address for the project."""
        known = self._send("GET", "/api/webhooks/", project=project, params={"project": project})
        same = [hook for hook in known if hook["url"] == wanted.url]
        if not same:
            self._send(
                "POST", "/api/webhooks/", project=project, json={"project": project, **wanted.as_json()}
            )
        for hook in same[:1]:
            self._send("PATCH", f"/api/webhooks/{hook['id']}/", json=wanted.as_json())
        for hook in same[1:]:
            self._send("DELETE", f"/api/webhooks/{hook['id']}/", missing_ok=True)

    def emails(self) -> dict[int, str]:
        """The email address of every user, by id."""
        return {int(user["id"]): user["email"] for user in self._send("GET", "/api/users/")}

    def invitation(self) -> str:
        """The token with which people sign up to the organisation."""
        return str(self._send("GET", "/api/invite")["token"])

    def renew_invitation(self) -> str:
        """Another token for sign-ups: links with the one before open nothing any more."""
        return str(self._send("POST", "/api/invite/reset-token")["token"])

    def _task_pages(
        self, project: int, filters: list[dict[str, Any]], parameters: dict[str, Any], *, size: int = PAGE
    ) -> Iterator[list[Task]]:
        """Pages by id rather than by number: a task that comes or goes meanwhile shifts nothing."""
        after = 0
        while True:
            query = _query([*filters, _filter("id", "greater", "Number", after)], "tasks:id")
            page = self._send(
                "GET",
                "/api/tasks/",
                project=project,
                params={"project": project, "page": 1, "page_size": size, "query": query, **parameters},
            )["tasks"]
            if page:
                yield page
            if len(page) < size:
                return
            after = page[-1]["id"]

    def _pages(self, path: str, parameters: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        number = 1
        while True:
            answer = self._send("GET", path, params={**parameters, "page": number, "page_size": 100})
            yield answer["results"]
            if not answer["next"]:
                return
            number += 1

    def _send(
        self,
        method: str,
        path: str,
        *,
        project: int | None = None,
        missing_ok: bool = False,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any:
        try:
            response = self._http.request(method, path, params=params, json=json)
        except httpx.TransportError as error:
            raise LabelStudioAway(
                "annotation:label-studio:unreachable",
                f"Label Studio at {self.url} does not answer: {error or type(error).__name__}.",
                "Start it, or set LABEL_STUDIO_URL to where it is.",
            ) from error
        if response.is_success:
            return response.json() if response.content else None
        if response.status_code == httpx.codes.NOT_FOUND and missing_ok:
            return None
        raise _refusal(response, self.url, f"{method} {path}", project)


def _refusal(response: httpx.Response, url: str, call: str, project: int | None) -> EarmarkError:
    """The error that an unsuccessful answer means."""
    status, said = response.status_code, response.text[:300]
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return EarmarkError(
            "annotation:label-studio:refused",
            f"Label Studio at {url} does not accept our key for {call} ({status}).",
            "Set LABEL_STUDIO_API_KEY to a key of an administrator there.",
        )
    if status == httpx.codes.NOT_FOUND and project is not None:
        return ProjectGone(
            "annotation:label-studio:project-gone",
            f"Label Studio at {url} has no project {project}.",
            "Someone deleted it, or LABEL_STUDIO_URL points at another Label Studio.",
        )
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return LabelStudioAway(
            "annotation:label-studio:failed",
            f"Label Studio at {url} answered {call} with {status}: {said}",
            "Read Label Studio's log.",
        )
    return EarmarkError(
        "annotation:label-studio:rejected",
        f"Label Studio at {url} refused {call} with {status}: {said}",
        "Report this with Label Studio's version.",
    )


def _filter(field: str, operator: str, kind: str, value: object) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}


def _query(filters: list[dict[str, Any]], ordering: str) -> str:
    return json.dumps({"filters": {"conjunction": "and", "items": filters}, "ordering": [ordering]})


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def client() -> LabelStudio:
    """The Label Studio of the settings; raises EarmarkError `annotation:label-studio:no-key`."""
    if not settings.EARMARK.label_studio_api_key:
        raise EarmarkError(
            "annotation:label-studio:no-key",
            "LABEL_STUDIO_API_KEY is not set.",
            "Set it to the access token of an administrator of Label Studio, and LABEL_STUDIO_URL to its address.",
        )
    return LabelStudio(settings.EARMARK.label_studio_url, settings.EARMARK.label_studio_api_key)


def is_answering(url: str, *, within_seconds: float = 2.0) -> bool:
    """Whether a Label Studio at `url` says that it is up."""
    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=within_seconds).is_success
    except httpx.TransportError:
        return False


def patiently(
    work: Callable[[LabelStudio], Result],
    *,
    wait: Callable[[float], object],
    waits: Sequence[float] = (1, 2, 4, 8, 10, 10, 10, 15),
) -> Result:
    """Do `work`, which looks at what is already done, again from its start while Label Studio is away.

    `wait(seconds)` pauses and may raise to stop; after the last of `waits` the error goes to the caller.
    """
    for seconds in waits:
        try:
            with client() as studio:
                return work(studio)
        except LabelStudioAway as error:
            log.warning("%s Trying again in %s s.", error, seconds)
            wait(seconds)
    with client() as studio:
        return work(studio)
