"""Fetch what annotators submitted and let it count: annotations, references, the state of clips.

The poll is the truth; a webhook only makes it come sooner. Label Studio has no feed of changes, so tasks are
listed by the time they were touched, from a little before the last time a sync was complete: what comes twice
is recognised by the annotation's id and time. Each task is applied in one transaction, so a sync may be killed
at any line and run again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.accounts_mapping import map_accounts_if_due
from annotation.answers import Answer, read_answer, verdict
from annotation.auditing import calibrate_if_due
from annotation.label_studio import LabelStudio, ProjectGone, patiently
from annotation.models import Annotation, Round, RoundClip
from annotation.rounds import pause, rebuild, start_sync
from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference
from earmark.jobs.models import Job
from earmark.jobs.registry import Context

OVERLAP = timedelta(seconds=10)
"""How far behind the last touched task a sync begins: an annotation's transaction may commit late."""
PASSES = 5
"""A sync goes on while annotators submit, but not for ever: the next poll takes the rest."""
Outcome = RoundClip.Outcome


@dataclass
class Tally:
    """What a sync did. `foreign` tasks are in the project, but not ours."""

    tasks: int = 0
    annotations: int = 0
    deleted: int = 0
    foreign: int = 0


def poll_open_rounds() -> list[Job]:
    """One sync for each open round."""
    rounds = Round.objects.filter(status=Round.Status.OPEN, project_id__isnull=False)
    return [start_sync(round=row) for row in rounds.select_related("collection")]


def sync_round(context: Context, *, round_id: int) -> dict[str, Any]:
    """Apply all that was submitted to the round since the last sync. The work of the job `annotation.sync`.

    An open round whose project was deleted in Label Studio is built again from our rows. After the last submissions
    of a closed round what they say of the champion's confidence is learned.
    """
    row = Round.objects.select_related("collection").get(pk=round_id)
    if row.project_id is None:
        return asdict(Tally())
    try:
        tally = asdict(patiently(partial(_catch_up, row, context), wait=partial(pause, context)))
    except ProjectGone:
        if row.status != Round.Status.OPEN:
            raise
        return {"rebuilt_by_job": rebuild(row).pk}
    if row.status == Round.Status.CLOSED and (job := calibrate_if_due(row.collection)):
        tally["calibrated_by_job"] = job.pk
    return tally


def _catch_up(row: Round, context: Context, studio: LabelStudio) -> Tally:
    """Read pages until nothing was touched since the reading began."""
    tally = Tally()
    annotators = Annotators(studio.emails)
    project = row.project_id
    if project is None:
        return tally
    map_accounts_if_due(row.collection, studio)
    newest = studio.last_update(project)
    for _ in range(PASSES):
        since = row.synced_until - OVERLAP if row.synced_until else None
        for page in studio.annotated_tasks(project, since=since):
            _apply_page(row, page, annotators, tally, context)
        row.synced_until = newest
        Round.objects.filter(pk=row.pk).update(synced_until=newest)
        touched = studio.last_update(project)
        if touched == newest:
            break
        newest = touched
    return tally


class Annotators:
    """Annotators' email addresses, asked for when an unknown one appears."""

    def __init__(self, fetch: Callable[[], dict[int, str]]) -> None:
        self._fetch = fetch
        self._known: dict[int | None, str] = {None: ""}

    def of(self, answers: Sequence[Answer]) -> dict[int | None, str]:
        """The address of each answer's author; `user 7` for one Label Studio does not know any more."""
        users = {one.user for one in answers}
        if users - self._known.keys():
            self._known |= {user: f"user {user}" for user in users - self._known.keys()}
            for user, email in self._fetch().items():
                self._known[user] = email
        return {user: self._known[user] for user in users}


def _apply_page(
    row: Round, page: list[dict[str, Any]], annotators: Annotators, tally: Tally, context: Context
) -> None:
    """Apply what is new in a page of tasks; what is known already costs two queries a page."""
    listed = {one["data"].get("clip"): one for one in page}
    clips = row.clips.filter(clip_id__in=[clip for clip in listed if isinstance(clip, int)])
    ours = 0
    for one in clips.prefetch_related("annotations"):
        task = listed[one.clip_id]
        if one.task_id not in (None, task["id"]):
            continue
        ours += 1
        changes = compare(one.annotations.all(), [read_answer(each) for each in task["annotations"]])
        if changes or one.task_id is None:
            context.check()
            apply(one.pk, task["id"], changes, annotators.of(changes.new))
            tally.annotations += len(changes.new)
            tally.deleted += len(changes.gone)
    tally.tasks += ours
    tally.foreign += len(page) - ours
    context.progress(tally.tasks, max(tally.tasks, row.clips.count()))


@dataclass(frozen=True)
class Changes:
    """Answers we do not hold in this form, and ids of those Label Studio no longer has."""

    new: Sequence[Answer]
    gone: Sequence[int]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone)


def compare(held: Iterable[Annotation], listed: Sequence[Answer]) -> Changes:
    """How the task's answers differ from the rows we hold."""
    known = {one.annotation_id: one.updated_at for one in held if one.deleted_at is None}
    return Changes(
        new=[one for one in listed if known.get(one.annotation_id) != one.updated_at],
        gone=sorted(known.keys() - {one.annotation_id for one in listed}),
    )


@transaction.atomic
def apply(round_clip_id: int, task_id: int, changes: Changes, annotators: Mapping[int | None, str]) -> None:
    """Write one task's changes and what follows from them: the reference, the outcome, the clip's state."""
    one = RoundClip.objects.select_related("round").get(pk=round_clip_id)
    clip = Clip.objects.select_for_update(no_key=True).get(pk=one.clip_id)
    for answer in changes.new:
        _write(one, answer, annotators[answer.user])
    one.annotations.filter(annotation_id__in=changes.gone).update(deleted_at=timezone.now())
    submissions = one.annotations.filter(deleted_at=None).order_by("updated_at", "annotation_id")
    found = verdict(list(submissions))
    if found and found.outcome == Outcome.LABELLED:
        set_reference(clip_id=clip.pk, text=found.text, kind=Reference.Kind.ANNOTATOR, author=found.author)
    if found and may_set_state(one, clip, found.outcome):
        clip.state = Clip.State(found.outcome.value)
        clip.save(update_fields=["state"])
    one.task_id = task_id
    if found:
        one.outcome = found.outcome
    one.save(update_fields=["task_id", "outcome"])


def _write(one: RoundClip, answer: Answer, annotator: str) -> None:
    Annotation.objects.update_or_create(
        round_clip=one,
        annotation_id=answer.annotation_id,
        defaults={
            "annotator": annotator,
            "text": answer.text,
            "was_skipped": answer.was_skipped,
            "quality": list(answer.quality),
            "segments": [one.as_json() for one in answer.segments],
            "lead_seconds": answer.lead_seconds,
            "hypothesis_id": one.hypothesis_id if answer.started_from_prediction else None,
            "created_at": answer.created_at,
            "updated_at": answer.updated_at,
            "deleted_at": None,
        },
    )


def may_set_state(one: RoundClip, clip: Clip, outcome: RoundClip.Outcome) -> bool:
    """Whether the round still speaks for the clip.

    It does while it is open, and a label always counts. A skip that arrives after the round is closed must not
    take the clip out of a later round.
    """
    if one.round.status != Round.Status.CLOSED or outcome == Outcome.LABELLED:
        return True
    return clip.state == Clip.State.HEARD or clip.state == one.outcome
