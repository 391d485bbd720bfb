"""Writes: an answer typed on our own desk, where Label Studio is away or not wanted.

It is an annotation like those Label Studio sends, without a number there. The pass's task is closed there as soon as
may be; what the same person still submits to it is an edit of the same answer, never a second one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.label_studio import LabelStudio, LabelStudioAway, ProjectGone, patiently
from annotation.models import Annotation, Round
from annotation.project import CHOICES
from annotation.routing_models import Annotator, Pass
from annotation.settling import settle
from earmark.accounts.models import User
from earmark.corpus.models import Clip, Collection
from earmark.jobs.registry import Context, Later
from earmark.jobs.services import submit
from earmark.speech.errors import EarmarkError

BATCH_SECONDS = 30.0
"""Answers of half a minute share one closing of tasks: it lists the project."""
AWAY_SECONDS = 120.0
QUALITIES = frozenset(one.code for one in CHOICES)


def annotator_of(collection: Collection, person: User) -> Annotator | None:
    """The person as one who labels in the collection; None where nobody entered them."""
    return Annotator.objects.filter(collection=collection, user=person).first()


def address_of(person: User, annotator: Annotator | None) -> str:
    """By what the person's annotations are known: as Label Studio knows them, so that both are one person's."""
    return (annotator.studio_email if annotator else "") or person.email or person.username


def version_of_pass(one: Pass) -> str:
    """Another text as soon as the pass is answered, returned, withdrawn or given to somebody else."""
    moments = [moment and int(moment.timestamp() * 1000) for moment in (one.returned_at, one.done_at)]
    return f"{one.status}-{one.annotator_id or 0}-{moments[0] or 0}-{moments[1] or 0}"


def may_take(one: Pass, annotator: Annotator | None) -> bool:
    """Whether the pass is theirs to answer: assigned to them, or anyone's."""
    if one.annotator_id is None:
        return one.routing == Pass.Routing.OPEN
    return annotator is not None and one.annotator_id == annotator.pk


@transaction.atomic
def submit_answer(
    *,
    of_pass: Pass,
    by: User,
    expected: str,
    text: str = "",
    quality: Sequence[str] = (),
    was_skipped: bool = False,
    client_seconds: float | None = None,
    server_seconds: float | None = None,
) -> Annotation:
    """Answer a waiting pass, and let the answer count.

    `expected` is the `version_of_pass` that was answered; `quality` of `annotation.project.CHOICES`;
    `client_seconds` as the browser measured, idling left out, `server_seconds` from showing to submitting. A second
    answer of the same person to the same clip takes the place of the first. Raises EarmarkError
    `annotation:pass:stale`, `:closed`, `:not-yours`, `annotation:answer:quality`, `:empty`.
    """
    clip = Clip.objects.select_for_update(no_key=True).get(pk=of_pass.round_clip.clip_id)
    one = Pass.objects.select_related("round__collection", "round_clip__round").get(pk=of_pass.pk)
    annotator = annotator_of(one.round.collection, by)
    _check(one, annotator, expected)
    _check_answer(text.strip(), quality, was_skipped=was_skipped)
    now = timezone.now()
    told = {
        "text": text.strip(),
        "was_skipped": was_skipped,
        "quality": list(quality),
        "lead_seconds": client_seconds,
        "server_seconds": server_seconds,
        "hypothesis_id": None if one.is_blind else one.round_clip.hypothesis_id,
        "of_pass": one,
        "is_blind": one.is_blind,
        "slips": [],
        "checked_at": None,
        "updated_at": now,
        "deleted_at": None,
    }
    answer, _ = Annotation.objects.update_or_create(
        round_clip=one.round_clip,
        annotator=address_of(by, annotator),
        source=Annotation.Source.DESK,
        defaults=told,
        create_defaults={**told, "created_at": now},
    )
    _finish(one, annotator, now)
    settle(one.round_clip, clip)
    if one.task_id is not None:
        close_tasks_soon(one.round)
    return answer


def require_taking(one: Pass, annotator: Annotator | None) -> None:
    """Raises EarmarkError `annotation:pass:not-yours` unless `may_take`."""
    if not may_take(one, annotator):
        raise EarmarkError(
            "annotation:pass:not-yours",
            f"Clip {one.round_clip.clip_id} is with somebody else.",
            "Open your desk again for what waits for you.",
        )


def _check(one: Pass, annotator: Annotator | None, expected: str) -> None:
    require_taking(one, annotator)
    held = version_of_pass(one)
    if held != expected or one.status != Pass.Status.WAITING:
        raise EarmarkError(
            "annotation:pass:stale",
            f"Clip {one.round_clip.clip_id} has changed since it was shown ({expected} then, {held} now).",
            "Open your desk again for what waits for you.",
        )
    if one.round.status != Round.Status.OPEN:
        raise EarmarkError(
            "annotation:pass:closed",
            f"Round {one.round.number} is not open.",
            "Nothing is lost that was submitted before; open your desk for what waits now.",
        )


def _check_answer(text: str, quality: Sequence[str], *, was_skipped: bool) -> None:
    unknown = sorted(set(quality) - QUALITIES)
    if unknown:
        raise EarmarkError(
            "annotation:answer:quality",
            f"{unknown[0]!r} is no quality choice.",
            f"Choose from {', '.join(one.code for one in CHOICES)}.",
        )
    if not text and not quality and not was_skipped:
        raise EarmarkError(
            "annotation:answer:empty",
            "The answer says neither a text nor why there is none.",
            "Write what is said, tick what the matter is, or skip the clip.",
        )


def _finish(one: Pass, annotator: Annotator | None, now: datetime) -> None:
    """The pass is done; one that was anyone's belongs to who did it, unless they did another pass of the clip."""
    one.status, one.done_at = Pass.Status.DONE, now
    if one.annotator_id is None and annotator is not None:
        others = Pass.objects.filter(round_clip=one.round_clip_id, annotator=annotator)
        one.annotator = None if others.exists() else annotator
    one.save(update_fields=["status", "done_at", "annotator"])


def close_tasks_soon(row: Round) -> None:
    """Have the tasks of passes that were answered here taken out of Label Studio's queue."""
    submit(
        "annotation.close_tasks",
        scope=row.collection.scope,
        key=f"close-tasks:{row.pk}",
        delay_seconds=BATCH_SECONDS,
        round_id=row.pk,
    )


def close_tasks(context: Context, *, round_id: int) -> dict[str, Any]:
    """Delete the unanswered tasks of passes answered on the desk. The work of the job `annotation.close_tasks`.

    A task somebody answered there, too, stays: its answer is an edit. Raises Later while Label Studio is away.
    """
    row = Round.objects.get(pk=round_id)
    typed = Pass.objects.filter(round=row, status=Pass.Status.DONE, task_id__isnull=False)
    waiting = set(
        typed.filter(annotations__source=Annotation.Source.DESK).values_list("task_id", flat=True).distinct()
    )
    if not waiting or row.project_id is None:
        return {"closed": 0}
    project = row.project_id

    def close(studio: LabelStudio) -> int:
        closed = 0
        for page in studio.tasks(project):
            context.check()
            for task in page:
                if task["id"] in waiting and not (task["total_annotations"] or task["cancelled_annotations"]):
                    studio.delete_task(task["id"])
                    closed += Pass.objects.filter(round=row, task_id=task["id"]).update(task_id=None)
        return closed

    try:
        return {"closed": patiently(close, wait=lambda _seconds: None, waits=())}
    except LabelStudioAway as error:
        raise Later(AWAY_SECONDS) from error
    except ProjectGone:
        return {"closed": 0}
