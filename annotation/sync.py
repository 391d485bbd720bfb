"""Fetch what annotators submitted and let it count: annotations, references, the state of clips.

The poll is the truth; a webhook only makes it come sooner. Label Studio has no feed of changes, so tasks are
listed by the time they were touched, from a little before the last time a sync was complete: what comes twice
is recognised by the annotation's id and time. Each task is applied in one transaction, so a sync may be killed
at any line and run again. Tasks that somebody deleted or added there are noticed by their number, a label
configuration that somebody changed by comparing it; what cannot be taken as it came is kept as an incident.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.accounts_mapping import map_accounts_if_due
from annotation.answers import Answer, read_answer
from annotation.auditing import calibrate_if_due
from annotation.label_studio import LabelStudio, ProjectGone, patiently
from annotation.matching import key_of, match
from annotation.models import Annotation, Round, RoundClip
from annotation.publishing import passes_of
from annotation.reconciling import note_changed_config, note_foreign, note_unknown, note_unreadable, reconcile
from annotation.rounds import pause, rebuild, start_repair, start_sync
from annotation.routing_models import Pass
from annotation.settling import settle
from annotation.started_from import StartedFrom
from annotation.timing import fill_server_seconds
from earmark.corpus.models import Clip
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.speech.errors import EarmarkError

OVERLAP = timedelta(seconds=180)
"""How far behind the last touched task a sync begins: an annotation's transaction may commit late.

On a busy machine that may be much later than one thinks; what is known already costs two queries a page.
"""
COUNTS = ("total_annotations_number", "skipped_annotations_number")
PASSES = 5
"""A sync goes on while annotators submit, but not for ever: the next poll takes the rest."""


@dataclass
class Tally:
    """What a sync did. `foreign` tasks are in the project, but not ours; `unreadable` answers were made with another
    label configuration; `gone` tasks were deleted there."""

    tasks: int = 0
    annotations: int = 0
    deleted: int = 0
    foreign: int = 0
    unreadable: int = 0
    gone: int = 0


def poll_open_rounds() -> list[Job]:
    """One sync for each open round."""
    rounds = Round.objects.filter(status=Round.Status.OPEN, project_id__isnull=False)
    return [start_sync(round=row) for row in rounds.select_related("collection")]


def sync_round(context: Context, *, round_id: int) -> dict[str, Any]:
    """Apply all that was submitted to the round since the last sync. The work of the job `annotation.sync`.

    An open round whose project was deleted in Label Studio is built again from our rows, and waiting passes whose tasks
    were deleted are sent again. After the last submissions of a closed round what they say of the champion's confidence
    is learned.
    """
    row = Round.objects.select_related("collection").get(pk=round_id)
    if row.project_id is None:
        return asdict(Tally())
    try:
        tally: dict[str, Any] = asdict(
            patiently(partial(_catch_up, row, context), wait=partial(pause, context))
        )
    except ProjectGone:
        if row.status != Round.Status.OPEN:
            raise
        return {"rebuilt_by_job": rebuild(row).pk}
    if row.status == Round.Status.OPEN and has_unsent(row):
        tally["repaired_by_job"] = start_repair(round=row).pk
    if row.status == Round.Status.CLOSED and (job := calibrate_if_due(row.collection)):
        tally["calibrated_by_job"] = job.pk
    return tally


def has_unsent(row: Round) -> bool:
    """Whether passes wait that somebody can take and that have no task."""
    waiting = row.passes.filter(status=Pass.Status.WAITING, task_id=None)
    return waiting.exclude(routing=Pass.Routing.STUCK).exists()


def _catch_up(row: Round, context: Context, studio: LabelStudio) -> Tally:
    """Read pages until nothing was touched since the reading began; then look whether anything is gone."""
    reading = Reading(row, studio, context)
    if row.project_id is None:
        return reading.tally
    map_accounts_if_due(row.collection, studio)
    newest = studio.last_update(row.project_id)
    for _ in range(PASSES):
        # the last sync of a round looks at everything once more
        is_last = row.status == Round.Status.CLOSED
        since = row.synced_until - OVERLAP if row.synced_until and not is_last else None
        for page in studio.annotated_tasks(row.project_id, since=since):
            reading.apply_page(page)
        reading.note_times()
        row.synced_until = newest
        Round.objects.filter(pk=row.pk).update(synced_until=newest)
        touched = studio.last_update(row.project_id)
        if touched == newest:
            break
        newest = touched
    there = studio.project(row.project_id, "task_number", "label_config", *COUNTS)
    note_changed_config(row, there["label_config"])
    if there["task_number"] != row.tasks_there:
        reading.tally.gone = reconcile(row, studio)
    _look_for_unannounced(reading, row, studio, sum(there[name] for name in COUNTS))
    return reading.tally


def _look_for_unannounced(reading: "Reading", row: Round, studio: LabelStudio, answers: int) -> None:
    """Read everything where Label Studio has more or fewer answers than we can explain.

    Killed between writing an answer and touching its task, it has answers that no listing by time ever shows. What it
    has beyond ours for good, answers that cannot be read or to tasks that are not ours, is remembered and asked for no
    more.
    """
    if row.project_id is None or answers - _held(row) == row.unexplained:
        return
    for page in studio.annotated_tasks(row.project_id, since=None):
        reading.apply_page(page)
    reading.note_times()
    there = studio.project(row.project_id, *COUNTS)
    unexplained = sum(there[name] for name in COUNTS) - _held(row)
    Round.objects.filter(pk=row.pk).update(unexplained=unexplained)


def _held(row: Round) -> int:
    """How many answers we hold that the project's tasks should have."""
    held = Annotation.objects.filter(
        round_clip__round=row, deleted_at=None, annotation_id__isnull=False, of_pass__task_id__isnull=False
    )
    return held.count()


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


class Reading:
    """One sync: applies pages, and counts."""

    def __init__(self, row: Round, studio: LabelStudio, context: Context) -> None:
        self.tally = Tally()
        self._row = row
        self._context = context
        self._annotators = Annotators(studio.emails)
        self._started_from = StartedFrom(row, studio)
        self._earliest: datetime | None = None
        self._unreadable: set[int] = set()
        self._all = row.passes.count()

    def apply_page(self, page: list[dict[str, Any]]) -> None:
        """Apply what is new in a page of tasks; what is known already costs two queries a page."""
        keys = [key_of(one, self._row.pk) for one in page]
        clips = {key[0] for key in keys if key}
        passes = list(passes_of(self._row).filter(round_clip__clip__in=clips).prefetch_related("annotations"))
        matched = match(page, passes, self._row.pk)
        known = {one.pk: one for one in passes}
        for key, task in matched.of_pass.items():
            one = known[key]
            if one.task_id in (None, task["id"]) or task["annotations"]:
                self._apply_task(one, task)
        for task in matched.foreign:
            note_foreign(self._row, task)
        for task in matched.unknown:
            note_unknown(self._row, task)
        self.tally.foreign += len(matched.foreign) + len(matched.unknown)
        self.tally.tasks += len(matched.of_pass)
        self.tally.unreadable = len(self._unreadable)
        self._context.progress(self.tally.tasks, max(self.tally.tasks, self._all))

    def _apply_task(self, one: Pass, task: Mapping[str, Any]) -> None:
        listed = []
        for each in task["annotations"]:
            try:
                listed.append(read_answer(each))
            except EarmarkError as error:
                note_unreadable(self._row, error, each)
                self._unreadable.add(each["id"])
        changes = compare(one.annotations.all(), listed, [each["id"] for each in task["annotations"]])
        if not changes and one.task_id is not None:
            return
        self._context.check()
        started = {each.annotation_id: self._started_from.of(one, each, task["id"]) for each in changes.new}
        apply(one, task["id"], changes, self._annotators.of(changes.new), started)
        self.tally.annotations += len(changes.new)
        self.tally.deleted += len(changes.gone)
        made = [each.created_at for each in changes.new]
        self._earliest = min([*made, *([self._earliest] if self._earliest else [])], default=None)

    def note_times(self) -> None:
        """Note how long people took for what has come since this was last called."""
        if self._earliest is not None:
            fill_server_seconds(self._row.collection, since=self._earliest)
            self._earliest = None


@dataclass(frozen=True)
class Changes:
    """Answers we do not hold in this form, and rows of those Label Studio no longer has."""

    new: Sequence[Answer]
    gone: Sequence[int]

    def __bool__(self) -> bool:
        return bool(self.new or self.gone)


def compare(held: Iterable[Annotation], listed: Sequence[Answer], there: Iterable[int]) -> Changes:
    """How the task's answers differ from the rows we hold.

    `listed` are those that could be read, `there` the ids of all. What was typed on a desk of ours has no id there.
    """
    rows = [one for one in held if one.deleted_at is None and one.annotation_id is not None]
    known = {(one.annotation_id, one.created_at): one.updated_at for one in rows}
    ids = set(there)
    remade = {one.annotation_id: one.created_at for one in listed}
    return Changes(
        new=[one for one in listed if known.get((one.annotation_id, one.created_at)) != one.updated_at],
        gone=sorted(
            one.pk
            for one in rows
            if one.annotation_id not in ids or remade.get(one.annotation_id, one.created_at) != one.created_at
        ),
    )


@transaction.atomic
def apply(
    one: Pass,
    task_id: int,
    changes: Changes,
    annotators: Mapping[int | None, str],
    started_from: Mapping[int, int | None],
) -> None:
    """Write one task's changes and what follows from them: the reference, the outcome, the clip's state."""
    clip = Clip.objects.select_for_update(no_key=True).get(pk=one.round_clip.clip_id)
    place = RoundClip.objects.select_related("round").get(pk=one.round_clip_id)
    for answer in changes.new:
        _write(one, answer, annotators[answer.user], started_from[answer.annotation_id])
    place.annotations.filter(pk__in=changes.gone).update(deleted_at=timezone.now())
    if one.task_id != task_id:
        Pass.objects.filter(round=place.round, task_id=task_id).exclude(pk=one.pk).update(task_id=None)
        Pass.objects.filter(pk=one.pk).update(task_id=task_id)
    settle(place, clip)


def _write(one: Pass, answer: Answer, annotator: str, hypothesis: int | None) -> None:
    _adopt(one, answer, annotator)
    Annotation.objects.update_or_create(
        round_clip_id=one.round_clip_id,
        annotation_id=answer.annotation_id,
        created_at=answer.created_at,
        defaults={
            "of_pass": one,
            "annotator": annotator,
            "text": answer.text,
            "was_skipped": answer.was_skipped,
            "quality": list(answer.quality),
            "segments": [one.as_json() for one in answer.segments],
            "lead_seconds": answer.lead_seconds,
            "hypothesis_id": hypothesis,
            "is_blind": one.is_blind,
            "updated_at": answer.updated_at,
            "deleted_at": None,
            "checked_at": None,
        },
    )


def _adopt(one: Pass, answer: Answer, annotator: str) -> None:
    """What somebody who typed an answer on our desk submits later is an edit of that answer, not a second one."""
    told = {"annotation_id": answer.annotation_id, "created_at": answer.created_at}
    if Annotation.objects.filter(round_clip=one.round_clip_id, **told).exists():
        return
    Annotation.objects.filter(
        round_clip=one.round_clip_id,
        annotator=annotator,
        source=Annotation.Source.DESK,
        updated_at__lte=answer.updated_at,
    ).update(source=Annotation.Source.LABEL_STUDIO, **told)
