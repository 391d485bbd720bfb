"""A round in Label Studio: its project, each of its clips as exactly one task, its webhook.

All of it may be killed at any line and run again: the project is found by its description before another is
made, only tasks that are not there are sent, and what a dead sender's import still added is taken away.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urljoin

import numpy as np
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from annotation import project
from annotation.context import page_of, surroundings
from annotation.label_studio import LabelStudio, ProjectGone, Webhook
from annotation.models import Round, RoundClip
from annotation.project import Surroundings
from earmark.corpus.audio_links import clip_url
from earmark.corpus.models import Clip
from earmark.jobs.registry import Context

BATCH = 200
AUDIO_LINK_SECONDS = 90 * 24 * 3600.0
"""Audio links sit in the tasks: they must outlive the longest backlog."""
SECRET_HEADER = "X-Earmark-Secret"
HOOKS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")


def publish(row: Round, context: Context, studio: LabelStudio) -> None:
    """Have the round's project with each waiting clip as exactly one task, its webhook set."""
    try:
        tasks = _have_tasks(row, context, studio)
    except ProjectGone:
        forget_project(row)
        tasks = _have_tasks(row, context, studio)
    if row.project_id is None or not tasks:
        return
    _record_tasks(row, tasks)
    studio.update_project(row.project_id, model_version=row.model.name)
    studio.ensure_webhook(row.project_id, webhook(row))


def _have_tasks(row: Round, context: Context, studio: LabelStudio) -> dict[int, int]:
    """Send what is missing, then look again and undo what is there twice; returns task ids by clip."""
    known = ensure_project(row, studio)
    waiting = list(
        row.clips.filter(outcome=RoundClip.Outcome.WAITING)
        .select_related("clip__recording", "hypothesis")
        .order_by("-score", "pk")
    )
    there = {one["data"].get("clip") for page in studio.tasks(known) for one in page}
    places = queue_places(waiting, row.seed)
    for start in range(0, len(waiting), BATCH):
        context.progress(start, len(waiting))
        missing = [one for one in waiting[start : start + BATCH] if one.clip_id not in there]
        if missing:
            around = surroundings(
                [one.clip for one in missing], model=row.model, lifetime_seconds=AUDIO_LINK_SECONDS
            )
            studio.import_tasks(
                known,
                [_task(row, one, places[one.pk], start // BATCH, around[one.clip_id]) for one in missing],
            )
    context.progress(len(waiting), len(waiting))
    return _one_task_each(studio, (one for page in studio.tasks(known) for one in page))


def _one_task_each(studio: LabelStudio, tasks: Iterable[dict[str, Any]]) -> dict[int, int]:
    """One task for each clip, by clip: the one somebody answered, else the first; others nobody answered go.

    A second one comes of an import that outlived its sender.
    """
    kept: dict[int, dict[str, Any]] = {}
    for one in tasks:
        clip = one["data"].get("clip")
        if not isinstance(clip, int):
            continue
        before = kept.setdefault(clip, one)
        if before is one:
            continue
        spare = before if _is_answered(one) and not _is_answered(before) else one
        kept[clip] = one if spare is before else before
        if not _is_answered(spare):
            studio.delete_task(spare["id"])
    return {clip: one["id"] for clip, one in kept.items()}


def _is_answered(task: dict[str, Any]) -> bool:
    return bool(task["total_annotations"] or task["cancelled_annotations"])


def ensure_project(row: Round, studio: LabelStudio) -> int:
    """The round's project: the recorded one, the one a killed job made, or a new one."""
    if row.project_id is not None:
        return row.project_id
    title = project.title(row.collection.name, row.number)
    description = f"Earmark round {row.pk} of {row.created_at:%Y-%m-%d %H:%M:%S.%f} UTC"
    made = studio.find_project(title=title, description=description)
    if made is None:
        page = page_of(row.collection, Clip.objects.filter(round_clips__round=row))
        made = studio.create_project(**project.settings(title=title, description=description, page=page))
    with transaction.atomic():
        # a new Label Studio counts from 1 again: an older round's number means nothing any more
        Round.objects.filter(project_id=made).exclude(pk=row.pk).update(project_id=None)
        Round.objects.filter(pk=row.pk).update(project_id=made)
    row.project_id = made
    return made


def forget_project(row: Round) -> None:
    """The project was deleted in Label Studio, and its tasks with it: their numbers will be given again."""
    with transaction.atomic():
        Round.objects.filter(pk=row.pk).update(project_id=None, synced_until=None)
        row.clips.update(task_id=None)
    row.project_id = row.synced_until = None


def queue_places(clips: Sequence[RoundClip], seed: int) -> dict[int, float]:
    """Where each clip stands in the annotators' queue, by RoundClip id; Label Studio asks the lowest first.

    The least confident come first. A clip drawn for the audit takes the place of a randomly drawn other one:
    asked by its own confidence it would come last when it is easy, and a round that ends early would have
    audited the hard clips only.
    """
    by_confidence = {one.pk: one.hypothesis.confidence if one.hypothesis else 0.0 for one in clips}
    audited = sorted(one.pk for one in clips if one.reason == RoundClip.Reason.AUDIT)
    others = sorted(by_confidence[one.pk] for one in clips if one.reason != RoundClip.Reason.AUDIT)
    rng = np.random.default_rng([seed, 2])
    drawn = rng.choice(others, len(audited)) if others else rng.random(len(audited))
    return by_confidence | dict(zip(audited, map(float, drawn), strict=True))


def _task(row: Round, one: RoundClip, place: float, batch: int, around: Surroundings) -> dict[str, Any]:
    clip, hypothesis = one.clip, one.hypothesis
    about = " · ".join(part for part in (clip.language, clip.dialect, f"{clip.seconds:.1f} s") if part)
    return project.task(
        clip=clip.pk,
        round_id=row.pk,
        batch=batch,
        audio=clip_url(clip.pk, lifetime_seconds=AUDIO_LINK_SECONDS),
        about=about,
        seconds=round(clip.seconds, 3),
        confidence=hypothesis.confidence if hypothesis else 0.0,
        text=hypothesis.text if hypothesis else "",
        model=row.model.name,
        place=place,
        around=around,
    )


def _record_tasks(row: Round, tasks: dict[int, int]) -> None:
    rows = [one for one in row.clips.filter(task_id=None) if one.clip_id in tasks]
    for one in rows:
        one.task_id = tasks[one.clip_id]
    RoundClip.objects.bulk_update(rows, ["task_id"], batch_size=1000)


def webhook(row: Round) -> Webhook:
    """Where Label Studio tells that something was submitted to the round."""
    path = reverse("annotation:label-studio", args=[row.pk])
    return Webhook(
        url=urljoin(settings.EARMARK.site_url, path),
        headers={SECRET_HEADER: settings.EARMARK.webhook_secret},
        actions=HOOKS,
    )
