"""A round in Label Studio: its project, each of its waiting passes as exactly one task, its queues, its webhook.

All of it may be killed at any line and run again: the project is found by its description before another is
made, only tasks that are not there are sent, and what a dead sender's import still added is taken away. Running it
again is also how a project is repaired: it puts back whatever somebody changed or deleted there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse

from annotation import project
from annotation.context import page_of, surroundings
from annotation.label_studio import LabelStudio, ProjectGone, Webhook
from annotation.matching import Matched, match
from annotation.models import Round
from annotation.project import Surroundings
from annotation.routing_models import Annotator, Pass, Queue
from earmark.corpus.audio_links import clip_url
from earmark.corpus.models import Clip
from earmark.jobs.registry import Context
from earmark.recognition.models import Hypothesis, ModelVersion

BATCH = 500
AUDIO_LINK_SECONDS = 90 * 24 * 3600.0
"""Audio links sit in the tasks: they must outlive the longest backlog."""
SECRET_HEADER = "X-Earmark-Secret"
HOOKS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")


@dataclass
class Published:
    """What was done: tasks sent, superfluous ones deleted, ones that now carry another address."""

    sent: int = 0
    deleted: int = 0
    readdressed: int = 0


def publish(row: Round, context: Context, studio: LabelStudio) -> dict[str, int]:
    """Have the round's project with each waiting pass as exactly one task, its queues and webhook set.

    Tasks of passes that are done stay where they are there, and are not sent again.
    """
    done = Published()
    try:
        _have_tasks(row, context, studio, done)
    except ProjectGone:
        forget_project(row)
        _have_tasks(row, context, studio, done)
    if row.project_id is not None:
        _have_queues(row, studio)
        _have_settings(row, row.project_id, studio)
    return asdict(done)


def _have_tasks(row: Round, context: Context, studio: LabelStudio, done: Published) -> None:
    """Send what is missing, undo what is there twice and note which task is which pass's.

    What is there is listed again only where there are more tasks than were sent: each costs a millisecond.
    """
    known = ensure_project(row, studio)
    passes = list(passes_of(row))
    matched = match(_listed(studio, known), passes, row.pk)
    missing = [one for one in passes if is_sendable(one) and one.pk not in matched.of_pass]
    texts = Texts(row, missing)
    sent: dict[int, Mapping[str, Any]] = {}
    for start in range(0, len(missing), BATCH):
        context.progress(start, len(missing))
        batch = missing[start : start + BATCH]
        around = surroundings(
            [one.round_clip.clip for one in batch], model=texts.model, lifetime_seconds=AUDIO_LINK_SECONDS
        )
        tasks = [task_of(row, one, texts, start // BATCH, around[one.round_clip.clip_id]) for one in batch]
        made = studio.import_tasks(known, tasks)
        sent |= {one.pk: {**task, "id": pk} for one, task, pk in zip(batch, tasks, made, strict=True)}
    context.progress(len(missing), len(missing))
    done.sent += len(sent)
    matched.of_pass |= sent
    if sent and studio.project(known, "task_number")["task_number"] != matched.tasks:
        matched = match(_listed(studio, known), passes, row.pk)
    for task in matched.spare:
        studio.delete_task(task["id"])
    done.deleted += len(matched.spare)
    Round.objects.filter(pk=row.pk).update(tasks_there=matched.tasks - len(matched.spare))
    _record_tasks(row, passes, matched)
    done.readdressed += _readdress(passes, matched, context, studio)


def _listed(studio: LabelStudio, known: int) -> Iterable[Mapping[str, Any]]:
    return (one for page in studio.tasks(known) for one in page)


def passes_of(row: Round) -> Any:
    """The round's passes with what their tasks carry, in the order of the queue."""
    return row.passes.select_related(
        "round_clip__clip__recording", "round_clip__hypothesis", "annotator__user"
    ).order_by("place", "pk")


def is_sendable(one: Pass) -> bool:
    """Whether the pass is to have a task: it waits, and somebody can take it."""
    return one.status == Pass.Status.WAITING and one.routing != Pass.Routing.STUCK


def address_of(one: Pass) -> str:
    """Whom the task is for; empty where anybody may take it."""
    return one.annotator.address if one.annotator else ""


def ensure_project(row: Round, studio: LabelStudio) -> int:
    """The round's project: the recorded one, the one a killed job made, or a new one."""
    if row.project_id is not None:
        return row.project_id
    told = project_settings(row)
    made = studio.find_project(title=told["title"], description=told["description"])
    if made is None:
        made = studio.create_project(**told)
    with transaction.atomic():
        # a new Label Studio counts from 1 again: an older round's number means nothing any more
        Round.objects.filter(project_id=made).exclude(pk=row.pk).update(project_id=None)
        Round.objects.filter(pk=row.pk).update(project_id=made)
    row.project_id = made
    return made


def project_settings(row: Round) -> dict[str, Any]:
    """What a project of the round is made with."""
    return project.settings(
        title=project.title(row.collection.name, row.number),
        description=f"Earmark round {row.pk} of {row.created_at:%Y-%m-%d %H:%M:%S.%f} UTC",
        page=page_of(row.collection, Clip.objects.filter(round_clips__round=row)),
    )


def forget_project(row: Round) -> None:
    """The project was deleted in Label Studio, and its tasks with it: their numbers will be given again."""
    with transaction.atomic():
        Round.objects.filter(pk=row.pk).update(
            project_id=None, synced_until=None, tasks_there=None, label_config=""
        )
        row.passes.update(task_id=None)
        row.queues.all().delete()
    row.project_id = row.synced_until = row.tasks_there = None
    row.label_config = ""


class Texts:
    """What open tasks show: what the model whose texts are shown heard, else what the clip was chosen by."""

    def __init__(self, row: Round, passes: Iterable[Pass]) -> None:
        self.model = shown_model(row)
        heard: dict[int, Hypothesis] = {}
        if row.shown_model_id is not None:
            clips = [one.round_clip.clip_id for one in passes]
            found = Hypothesis.objects.filter(model=self.model, clip__in=clips)
            heard = {one.clip_id: one for one in found}
        self._heard = heard

    def of(self, one: Pass) -> str:
        """The text in the box; empty for a blind pass."""
        shown = self._heard.get(one.round_clip.clip_id) or one.round_clip.hypothesis
        return "" if one.is_blind or shown is None else shown.text

    def prediction(self, one: Pass) -> dict[str, Any]:
        """The pre-transcription; where it shows nothing it still tells Label Studio where the task stands."""
        return project.prediction(text=self.of(one), model=self.model.name, score=one.place)


def shown_model(row: Round) -> ModelVersion:
    """The model whose texts the round's open tasks show."""
    return row.shown_model or row.model


def task_of(row: Round, one: Pass, texts: Texts, batch: int, around: Surroundings) -> dict[str, Any]:
    """The pass as a task."""
    clip, hypothesis = one.round_clip.clip, one.round_clip.hypothesis
    about = " · ".join(part for part in (clip.language, clip.dialect, f"{clip.seconds:.1f} s") if part)
    made = project.task(
        clip=clip.pk,
        round_id=row.pk,
        batch=batch,
        audio=clip_url(clip.pk, lifetime_seconds=AUDIO_LINK_SECONDS),
        about=about,
        seconds=round(clip.seconds, 3),
        confidence=hypothesis.confidence if hypothesis else 0.0,
        text="",
        model=texts.model.name,
        place=one.place,
        around=around,
    )
    made["data"] |= {"pass": one.number, "for": address_of(one), "place": f"{one.place:09.6f}"}
    return {**made, "predictions": [texts.prediction(one)]}


def _record_tasks(row: Round, passes: Sequence[Pass], matched: Matched) -> None:
    """Note every pass's task, and that those of whom there is none have none; numbers may have changed hands."""
    changed = []
    for one in passes:
        task = matched.of_pass.get(one.pk)
        number = task["id"] if task else None
        if one.task_id != number:
            one.task_id = number
            changed.append(one)
    with transaction.atomic():
        row.passes.filter(pk__in=[one.pk for one in changed]).update(task_id=None)
        with connection.cursor() as cursor:
            cursor.execute(_RECORD, [[one.pk for one in changed], [one.task_id for one in changed]])


_RECORD = f"""
UPDATE {Pass._meta.db_table} AS asked SET task_id = told.task
FROM unnest(%s::bigint[], %s::integer[]) AS told (id, task) WHERE asked.id = told.id"""


def _readdress(passes: Sequence[Pass], matched: Matched, context: Context, studio: LabelStudio) -> int:
    """Have every waiting pass's task carry the address it is for; returns how many did not."""
    wrong = []
    for one in passes:
        task = matched.of_pass.get(one.pk)
        if task and one.status == Pass.Status.WAITING and task["data"].get("for", "") != address_of(one):
            wrong.append((task, address_of(one)))
    for number, (task, address) in enumerate(wrong):
        context.progress(number, len(wrong))
        studio.set_data(task["id"], {**task["data"], "for": address})
    return len(wrong)


def _have_queues(row: Round, studio: LabelStudio) -> None:
    """A view for everybody who has passes in the round."""
    if row.project_id is None:
        return
    known = {one.annotator_id: one for one in row.queues.all()}
    people = Annotator.objects.filter(passes__round=row).select_related("user").distinct()
    for person in people.order_by("pk"):
        if not person.address:
            continue
        before = known.get(person.pk)
        if before and before.address == person.address:
            continue
        view = studio.ensure_view(
            row.project_id,
            title=person.user.username,
            address=person.address,
            known=before.view_id if before else None,
        )
        Queue.objects.update_or_create(
            round=row, annotator=person, defaults={"view_id": view, "address": person.address}
        )


def _have_settings(row: Round, known: int, studio: LabelStudio) -> None:
    """Put the project's settings as they should be, and remember the label configuration as it was sent."""
    told = project_settings(row)
    told |= {"model_version": shown_model(row).name}
    sent = told.pop("label_config")
    if row.label_config != sent or studio.project(known, "label_config")["label_config"] != sent:
        told["label_config"] = sent
    studio.update_project(known, **told)
    Round.objects.filter(pk=row.pk).update(label_config=sent)
    row.label_config = sent
    studio.ensure_webhook(known, webhook(row))


def webhook(row: Round) -> Webhook:
    """Where Label Studio tells that something was submitted to the round."""
    path = reverse("annotation:label-studio", args=[row.pk])
    return Webhook(
        url=urljoin(settings.EARMARK.site_url, path),
        headers={SECRET_HEADER: settings.EARMARK.webhook_secret},
        actions=HOOKS,
    )
