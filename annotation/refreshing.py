"""New hypotheses on open tasks: what the champion hears in the clips of an open round takes the place of older texts.

Older predictions stay in Label Studio, unseen: whoever has a task open may still submit what they began with, and it
remains known which text that was. Label Studio shows those of the project's `model_version` alone.
"""

from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef

from annotation.label_studio import LabelStudio, patiently
from annotation.models import Round
from annotation.publishing import Texts, passes_of, shown_model
from annotation.rounds import pause
from annotation.routing_models import Pass
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.champion_shown import is_following
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from earmark.recognition.registry import holder

REFRESH = "annotation.refresh_predictions"
BATCH = 200


def refresh_open_rounds() -> list[Job]:
    """One job for each open round whose waiting clips the champion has all heard while their tasks show another's.

    Not before it has heard them all: a project shows the texts of one model; what that has not heard would be empty.
    """
    rounds = Round.objects.filter(status=Round.Status.OPEN, project_id__isnull=False)
    due = []
    for row in rounds.select_related("collection", "model", "shown_model"):
        champion = holder(row.collection, Alias.Name.CHAMPION)
        if champion is None or champion == shown_model(row) or is_following(row.collection):
            continue
        waiting = row.passes.filter(status=Pass.Status.WAITING)
        heard = Hypothesis.objects.filter(model=champion, clip=OuterRef("round_clip__clip"))
        if waiting.exists() and not waiting.exclude(Exists(heard)).exists():
            due.append(row)
    return [
        submit(REFRESH, scope=row.collection.scope, key=f"refresh-round:{row.pk}", round_id=row.pk)
        for row in due
    ]


def refresh_round(context: Context, *, round_id: int) -> dict[str, Any]:
    """Show what the champion heard on the tasks nobody has begun: the work of `annotation.refresh_predictions`.

    Idempotent: a task that has a prediction of the champion gets no second one.
    """
    row = Round.objects.select_related("collection", "model", "shown_model").get(pk=round_id)
    champion = holder(row.collection, Alias.Name.CHAMPION)
    if row.status != Round.Status.OPEN or row.project_id is None or champion is None:
        return {}
    if champion == shown_model(row):
        return {}
    work = partial(_refresh, row, champion, context)
    return {"model": champion.name, "replaced": patiently(work, wait=partial(pause, context))}


def _refresh(row: Round, champion: ModelVersion, context: Context, studio: LabelStudio) -> int:
    if row.project_id is None:
        return 0
    there = studio.tasks_showing(row.project_id, champion.name)
    waiting = [
        one
        for one in passes_of(row).filter(status=Pass.Status.WAITING, task_id__isnull=False)
        if one.task_id not in there
    ]
    row.shown_model = champion
    texts = Texts(row, waiting)
    for start in range(0, len(waiting), BATCH):
        context.progress(start, len(waiting))
        batch = waiting[start : start + BATCH]
        studio.add_predictions(
            row.project_id, [{"task": one.task_id, **texts.prediction(one)} for one in batch]
        )
    # from here on it has to be asked which text a submission began with
    Round.objects.filter(pk=row.pk).update(shown_model=champion)
    studio.update_project(row.project_id, model_version=champion.name)
    context.progress(len(waiting), len(waiting))
    return len(waiting)
