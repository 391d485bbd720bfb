"""The models of a collection: how good each is, and which one is champion."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.corpus.models import Collection
from earmark.datasets.snapshots import test_set
from earmark.jobs.models import Job
from earmark.loop import cards
from earmark.loop.promotion import (
    previous_champion,
    promote_for_reason,
    promote_if_better,
    roll_back,
    verdict_of,
)
from earmark.loop.saying import said
from earmark.recognition.models import Alias
from earmark.recognition.registry import holder
from earmark.speech.errors import EarmarkError
from earmark.web.places import WRITE, Place, in_collection, page, part
from earmark.web.queries import promotions
from earmark.web.queries import trainings as queries
from earmark.web.views.telling import telling
from training_jobs.models import TrainingJob
from training_jobs.services import request_evaluation

GROUPS = ("options", "metrics", "versions", "data")
TOLD_ELSEWHERE = {*GROUPS, "parent", "training_job", "code", "settings"}


@in_collection(Role.VIEWER)
def models(request: HttpRequest, place: Place) -> HttpResponse:
    rows = queries.models_of(place.collection)
    jobs = Job.objects.unfinished().filter(scope=place.collection.scope, kind="training_jobs.evaluate")
    context = {
        "rows": rows,
        "scale": max((row.evaluation.high for row in rows if row.evaluation), default=0.0),
        "test_set": test_set(place.collection),
        "being_measured": {job.arguments.get("model_id") for job in jobs},
        "history": promotions.history_of(place.collection),
        "previous": previous_champion(place.collection),
    }
    context["is_live"] = bool(context["being_measured"])
    return page(request, place, "web/models.html", context, section="models")


@in_collection(Role.VIEWER)
def model(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    row = row_of(place, pk)
    champion = next((one for one in queries.models_of(place.collection) if one.is_champion), None)
    compared = champion if champion and champion.model != row.model else None
    judged = promotions.last_of(place.collection, row.model)
    context = {
        "row": row,
        "compared": compared,
        "training": TrainingJob.objects.filter(model=row.model, collection=place.collection).first(),
        "slices": queries.slices(compared.evaluation if compared else None, row.evaluation)
        if row.evaluation
        else [],
        "test_set": test_set(place.collection),
        "judged": judged,
        "judged_says": said(judged) if judged else "",
        "comparisons": promotions.comparisons_with(place.collection, row.model),
        "lineage": sorted(
            (name, value)
            for name, value in row.model.lineage.items()
            if value not in ({}, "", None) and name not in TOLD_ELSEWHERE
        ),
        "groups": [
            (name, list(_flat(row.model.lineage[name]))) for name in GROUPS if row.model.lineage.get(name)
        ],
    }
    return page(request, place, "web/model.html", context, section="models")


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


@in_collection(Role.VIEWER)
def model_verdict(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """How the model does beside the champion, judged now: a part of its page, which does not wait for it."""
    context: dict[str, Any] = {
        "row": row_of(place, pk), "champion": holder(place.collection, Alias.Name.CHAMPION)
    }  # fmt: skip
    try:
        _snapshot, _held, verdict = verdict_of(place.collection, context["row"].model)
        context["told"] = promotions.told(verdict.as_json())
    except EarmarkError as error:
        context["error"] = str(error)
    return part(request, place, "web/parts/verdict.html", context)


@in_collection(Role.VIEWER)
def model_card(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """The model's card as a file."""
    row = row_of(place, pk)
    text = cards.model_card(row.model, Collection.objects.filter(pk=place.collection.pk))
    headers = {
        "Content-Disposition": content_disposition_header(True, f"{row.model.name}.md") or "attachment"
    }
    return HttpResponse(text, content_type="text/markdown; charset=utf-8", headers=headers)


@in_collection(Role.MANAGER, WRITE)
def model_promote(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Make the model champion if it is better; whatever the test set says where an admin writes why."""
    row = row_of(place, pk)
    reason = request.POST.get("reason", "").strip()
    if reason and not place.is_admin:
        raise PermissionDenied
    with telling(request):
        if reason:
            made = promote_for_reason(
                collection=place.collection, model=row.model, reason=reason, by=place.person
            )
        else:
            made = promote_if_better(collection=place.collection, model=row.model, by=place.person)
        if made.is_change:
            messages.success(request, _("%(model)s is the champion now.") % {"model": row.model.name})
        else:
            kept = _("%(model)s stays challenger.") % {"model": row.model.name}
            messages.warning(request, f"{kept} {said(made)}")
    return redirect("web:model", slug=place.collection.slug, pk=pk)


@in_collection(Role.MANAGER, WRITE)
def champion_back(request: HttpRequest, place: Place) -> HttpResponse:
    """Give the place back to the champion before this one."""
    with telling(request):
        made = roll_back(collection=place.collection, by=place.person)
        messages.success(request, _("%(model)s is champion again.") % {"model": made.model.name})
    return redirect("web:models", slug=place.collection.slug)


@in_collection(Role.MANAGER, WRITE)
def model_evaluate(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Measure the model on the frozen test set."""
    row = row_of(place, pk)
    with telling(request, _("%(model)s is being measured on the test set.") % {"model": row.model.name}):
        snapshot = test_set(place.collection)
        if snapshot is None:
            raise EarmarkError(
                "evaluation:test-set:missing",
                _("This collection has no frozen test set."),
                _("An admin freezes it on the page of snapshots."),
            )
        request_evaluation(model=row.model, snapshot=snapshot, by=place.person)
    return redirect("web:models", slug=place.collection.slug)


def row_of(place: Place, pk: int) -> queries.ModelRow:
    """The model as this collection knows it; a model of other collections is not here (404)."""
    found = queries.models_of(place.collection, only=pk)
    if not found:
        raise Http404
    return found[0]
