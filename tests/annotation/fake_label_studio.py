"""A Label Studio in memory, at the seam of annotation.label_studio.LabelStudio; it counts and fails on demand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation.label_studio import LabelStudioAway, ProjectGone, Webhook
from earmark.speech.errors import EarmarkError

START = datetime(2026, 11, 22, 8, tzinfo=UTC)


class FakeLabelStudio:
    """Keeps projects, tasks and annotations; its clock moves a second with every change."""

    def __init__(self) -> None:
        self.projects: dict[int, dict[str, Any]] = {}
        self.store: dict[int, dict[str, Any]] = {}
        self.hooks: dict[int, Webhook] = {}
        self.views: dict[int, dict[str, Any]] = {}
        self.drafts: set[int] = set()
        self.users = {1: "anna@example.org", 2: "bo@example.org"}
        self.calls: list[str] = []
        self.failing: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.now = START
        self.renewed = 0
        self._ids: Iterator[int] = iter(range(1, 1_000_000))

    def __enter__(self) -> "FakeLabelStudio":
        return self

    def __exit__(self, *_: object) -> None: ...

    def create_project(self, **fields: Any) -> int:
        self._called("create_project")
        made = next(self._ids)
        self.projects[made] = dict(fields)
        return made

    def find_project(self, *, title: str, description: str) -> int | None:
        self._called("find_project")
        found = [
            key
            for key, one in self.projects.items()
            if (one["title"], one["description"]) == (title, description)
        ]
        return found[0] if found else None

    def project(self, project: int, *fields: str) -> dict[str, Any]:
        self._called("project")
        answers = [one["was_cancelled"] for task in self.of(project) for one in task["annotations"]]
        told = {
            **self._project(project),
            "task_number": len(self.of(project)),
            "total_annotations_number": answers.count(False),
            "skipped_annotations_number": answers.count(True),
        }
        return {name: told[name] for name in fields}

    def update_project(self, project: int, **fields: Any) -> None:
        self._called("update_project")
        self._project(project).update(fields)

    def import_tasks(self, project: int, tasks: Sequence[dict[str, Any]]) -> list[int]:
        self._called("import_tasks")
        self._project(project)
        made = []
        for task in tasks:
            key = next(self._ids)
            predictions = [{**deepcopy(one), "id": next(self._ids)} for one in task["predictions"]]
            self.store[key] = deepcopy(task) | {
                "id": key,
                "predictions": predictions,
                "project": project,
                "annotations": [],
                "updated_at": self._tick(),
            }
            made.append(key)
        return made

    def tasks(self, project: int) -> Iterator[list[dict[str, Any]]]:
        self._called("tasks")
        self._project(project)
        yield [
            {
                **deepcopy(task),
                "total_annotations": sum(not one["was_cancelled"] for one in task["annotations"]),
                "cancelled_annotations": sum(one["was_cancelled"] for one in task["annotations"]),
            }
            for task in self.of(project)
        ]

    def annotated_tasks(self, project: int, *, since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        self._called("annotated_tasks")
        self._project(project)
        touched = [
            task
            for task in self.of(project)
            if since is None or datetime.fromisoformat(task["updated_at"]) >= since
        ]
        for start in range(0, len(touched), 5):
            yield deepcopy(touched[start : start + 5])

    def last_update(self, project: int) -> datetime | None:
        self._called("last_update")
        self._project(project)
        times = [datetime.fromisoformat(task["updated_at"]) for task in self.of(project)]
        return max(times, default=None)

    def begun_tasks(self, project: int) -> set[int]:
        self._called("begun_tasks")
        self._project(project)
        return {task["id"] for task in self.of(project) if task["id"] in self.drafts}

    def tasks_showing(self, project: int, model: str) -> set[int]:
        self._called("tasks_showing")
        self._project(project)
        return {
            task["id"]
            for task in self.of(project)
            if any(one["model_version"] == model for one in task["predictions"])
        }

    def set_data(self, task: int, data: Mapping[str, Any]) -> None:
        self._called("set_data")
        if task in self.store:
            self.store[task]["data"] = dict(data)

    def add_predictions(self, project: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        self._called("add_predictions")
        self._project(project)
        if any(one["task"] not in self.store for one in predictions):
            raise EarmarkError("annotation:label-studio:rejected", "invalid task")
        for one in predictions:
            made = {name: value for name, value in one.items() if name != "task"}
            self.store[one["task"]]["predictions"].append({**deepcopy(made), "id": next(self._ids)})

    def predictions(self, task: int) -> list[dict[str, Any]]:
        self._called("predictions")
        return deepcopy(self.store[task]["predictions"])

    def ensure_view(self, project: int, *, title: str, address: str, known: int | None) -> int:
        self._called("ensure_view")
        self._project(project)
        made = known if known in self.views else next(self._ids)
        self.views[made] = {"project": project, "title": title, "address": address}
        return made

    def delete_task(self, task: int) -> None:
        self._called("delete_task")
        self.store.pop(task, None)

    def ensure_webhook(self, project: int, wanted: Webhook) -> None:
        self._called("ensure_webhook")
        self.hooks[project] = wanted

    def emails(self) -> dict[int, str]:
        self._called("emails")
        return dict(self.users)

    def invitation(self) -> str:
        self._called("invitation")
        return f"invite-{self.renewed}"

    def renew_invitation(self) -> str:
        self._called("renew_invitation")
        self.renewed += 1
        return f"invite-{self.renewed}"

    # what people do there

    def of(self, project: int) -> list[dict[str, Any]]:
        """The project's tasks, ordered by id."""
        return [task for _, task in sorted(self.store.items()) if task["project"] == project]

    def task_of(self, clip: int, number: int = 1) -> dict[str, Any]:
        """The one task of a clip's pass."""
        (task,) = [
            one
            for one in self.store.values()
            if one["data"].get("clip") == clip and one["data"].get("pass", 1) == number
        ]
        return task

    def served_to(self, view: int) -> list[dict[str, Any]]:
        """The unanswered tasks of a view, in its order."""
        shown = self.views[view]
        tasks = [
            one for one in self.of(shown["project"])
            if one["data"].get("for") == shown["address"] and not one["annotations"]
        ]  # fmt: skip
        return sorted(tasks, key=lambda one: one["data"]["place"])

    def submit(
        self,
        clip: int,
        text: str = "",
        *,
        number: int = 1,
        user: int = 1,
        skip: bool = False,
        quality: Sequence[str] = (),
    ) -> int:
        """An annotator submits to a pass of the clip; returns the annotation's id."""
        task, key = self.task_of(clip, number), next(self._ids)
        shown = [one for one in task["predictions"] if one["model_version"] == self._shown(task)]
        made = {"id": key, "completed_by": user, "created_at": self._tick()}
        task["annotations"].append(made | {"parent_prediction": shown[-1]["id"] if shown else None})
        self.edit(clip, key, text, number=number, skip=skip, quality=quality)
        return key

    def _shown(self, task: dict[str, Any]) -> str:
        return str(self.projects[task["project"]].get("model_version", ""))

    def edit(
        self,
        clip: int,
        annotation: int,
        text: str,
        *,
        number: int = 1,
        skip: bool = False,
        quality: Sequence[str] = (),
    ) -> None:
        """Somebody changes a submission."""
        task = self.task_of(clip, number)
        (found,) = [one for one in task["annotations"] if one["id"] == annotation]
        result = []
        if text:
            result.append({"from_name": "transcription", "type": "textarea", "value": {"text": [text]}})
        if quality:
            result.append({"from_name": "quality", "type": "choices", "value": {"choices": list(quality)}})
        found |= {
            "result": result,
            "was_cancelled": skip,
            "lead_time": 3.5,
            "updated_at": self._tick(),
        }
        task["updated_at"] = self._tick()

    def delete_annotation(self, clip: int, annotation: int, *, number: int = 1) -> None:
        """Somebody deletes a submission."""
        task = self.task_of(clip, number)
        task["annotations"] = [one for one in task["annotations"] if one["id"] != annotation]
        task["updated_at"] = self._tick()

    def delete_project(self, project: int) -> None:
        """Somebody deletes a project with all its tasks; on SQLite their numbers are given again."""
        del self.projects[project]
        gone = [key for key, task in self.store.items() if task["project"] == project]
        self.store = {key: task for key, task in self.store.items() if key not in gone}
        self.views = {key: one for key, one in self.views.items() if one["project"] != project}
        self._ids = (key for key in range(min(gone), 1_000_000) if key not in self.store)

    def _project(self, project: int) -> dict[str, Any]:
        if project not in self.projects:
            raise ProjectGone("annotation:label-studio:project-gone", f"no project {project}")
        return self.projects[project]

    def _tick(self) -> str:
        self.now += timedelta(seconds=1)
        return self.now.isoformat()

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            self.failing.remove(name)
            raise LabelStudioAway("annotation:label-studio:unreachable", f"{name}: nobody answers")
        if name in self.before:
            self.before[name]()
