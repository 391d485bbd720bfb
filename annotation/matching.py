"""Which of a project's tasks is which pass's. Pure.

Label Studio on SQLite gives the number of a deleted task again, so a task is known by what it carries: round, clip and
the number of the pass. The task id only tells apart what carries the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.routing_models import Pass

Task = Mapping[str, Any]
Key = tuple[int, int]


@dataclass
class Matched:
    """Tasks by pass id; superfluous ones of ours, to be deleted; ours for what we do not ask; and others."""

    of_pass: dict[int, Task] = field(default_factory=dict)
    spare: list[Task] = field(default_factory=list)
    unknown: list[Task] = field(default_factory=list)
    foreign: list[Task] = field(default_factory=list)

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.of_pass) + len(self.spare) + len(self.unknown) + len(self.foreign)


def key_of(task: Task, round_id: int) -> Key | None:
    """The clip and pass a task says it is for; None where it does not say it is of this round.

    Tasks of rounds older than passes carry no number: they are each clip's first.
    """
    data = task.get("data")
    if not isinstance(data, Mapping) or not _is_whole(data.get("clip")) or data.get("round") != round_id:
        return None
    number = data.get("pass", 1)
    return (data["clip"], number) if _is_whole(number) else None


def match(tasks: Iterable[Task], passes: Sequence[Pass], round_id: int) -> Matched:
    """Sort `tasks` by whose they are; `passes` come with their `round_clip`.

    Of several tasks for one pass it is the recorded one, else the one somebody answered, else the first. Others that
    nobody answered are spare: they come of an import that outlived its sender, or of a pass that was taken away. One
    that was answered is never deleted: it takes the place of the recorded one where that was not.
    """
    of_key = {(one.round_clip.clip_id, one.number): one for one in passes}
    clips = {one.round_clip.clip_id for one in passes}
    found = Matched()
    for task in tasks:
        key = key_of(task, round_id)
        one = of_key.get(key) if key else None
        if key is None:
            found.foreign.append(task)
        elif one is None and not is_answered(task) and key[0] in clips:
            found.spare.append(task)
        elif one is None:
            found.unknown.append(task)
        else:
            _seat(found, one, task)
    return found


def _seat(found: Matched, one: Pass, task: Task) -> None:
    """Give the pass the better of the task it has and this one; the other is spare, or was answered as well."""
    seated = found.of_pass.get(one.pk)
    if seated is None:
        found.of_pass[one.pk] = task
        return
    better = max(seated, task, key=lambda each: (is_answered(each), each["id"] == one.task_id, -each["id"]))
    worse = task if better is seated else seated
    found.of_pass[one.pk] = better
    (found.unknown if is_answered(worse) else found.spare).append(worse)


def is_answered(task: Task) -> bool:
    """Whether somebody submitted or skipped it."""
    if "annotations" in task:
        return bool(task["annotations"])
    return bool(task.get("total_annotations") or task.get("cancelled_annotations"))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
