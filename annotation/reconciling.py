"""What differs in Label Studio from what we put there: tasks that went or came, a configuration somebody changed."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from django.db import transaction

from annotation.incidents import record_incident
from annotation.label_studio import LabelStudio
from annotation.matching import match
from annotation.models import Round
from annotation.publishing import passes_of
from earmark.speech.errors import EarmarkError

REPAIR = "Repair the round: `earmark repair-round`, or the button on its page."


def reconcile(row: Round, studio: LabelStudio) -> int:
    """Look at every task of the project; returns how many passes lost theirs.

    A pass whose task is gone has none: if it waits it is sent again, what was answered stays. Superfluous tasks of ours
    go; what is not ours is noted.
    """
    if row.project_id is None:
        return 0
    passes = list(passes_of(row))
    tasks = [one for page in studio.tasks(row.project_id) for one in page]
    matched = match(tasks, passes, row.pk)
    for task in matched.spare:
        studio.delete_task(task["id"])
    for task in matched.foreign:
        note_foreign(row, task)
    gone = [one.pk for one in passes if one.task_id is not None and one.pk not in matched.of_pass]
    with transaction.atomic():
        row.passes.filter(pk__in=gone).update(task_id=None)
        Round.objects.filter(pk=row.pk).update(tasks_there=len(tasks) - len(matched.spare))
    return len(gone)


def is_same_config(one: str, other: str) -> bool:
    """Whether two label configurations ask the same: Label Studio may write one anew, in its own way."""
    try:
        return ElementTree.canonicalize(one, strip_text=True) == ElementTree.canonicalize(
            other, strip_text=True
        )
    except ElementTree.ParseError:
        return one == other


def note_changed_config(row: Round, there: str) -> bool:
    """Record it as an incident where the project's label configuration is not the one we sent."""
    if not row.label_config or is_same_config(row.label_config, there):
        return False
    record_incident(
        EarmarkError(
            "annotation:label-studio:config-changed",
            f"Somebody changed the label configuration of round {row.number} in Label Studio.",
            REPAIR,
        ),
        round=row,
        of=there,
        said={"label_config": there},
        again=False,
    )
    return True


def note_foreign(row: Round, task: Mapping[str, Any]) -> None:
    """A task in the round's project that we did not put there."""
    record_incident(
        EarmarkError(
            "annotation:label-studio:foreign-task",
            f"The project of round {row.number} has task {task['id']}, which is not ours: it is left alone.",
            "Delete it in Label Studio, or put it into a project of its own.",
        ),
        round=row,
        of=str(task["id"]),
        said={"data": task.get("data"), "annotations": task.get("annotations", [])},
        again=False,
    )


def note_unknown(row: Round, task: Mapping[str, Any]) -> None:
    """A task that says it is of this round, for a clip or pass that the round does not ask."""
    data = task["data"]
    record_incident(
        EarmarkError(
            "annotation:label-studio:unknown-clip",
            f"Task {task['id']} is for clip {data.get('clip')}, pass {data.get('pass', 1)}, which round {row.number}"
            " does not ask: its answers do not count.",
            "Have the clip asked in a round of its own if the answer matters.",
        ),
        round=row,
        of=str(task["id"]),
        said={"data": data, "annotations": task.get("annotations", [])},
        again=False,
    )


def note_unreadable(row: Round, error: EarmarkError, annotation: Mapping[str, Any]) -> None:
    """An answer made with another label configuration."""
    record_incident(
        error,
        round=row,
        of=f"{annotation.get('id')}:{annotation.get('updated_at')}",
        said=dict(annotation),
        again=False,
    )
