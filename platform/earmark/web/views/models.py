"""The models of a collection: how good each is, and which one is champion."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.datasets.snapshots import test_set
from earmark.jobs.models import Job
from earmark.loop.promotion import promote_for_reason, promote_if_better, roll_back
from earmark.loop.saying import said
from earmark.speech.errors import EarmarkError
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.queries import trainings as queries
from earmark.web.views.telling import telling
from training_jobs.models import TrainingJob
from training_jobs.services import request_evaluation


@in_collection(Role.VIEWER)
def models(request: HttpRequest, place: Place) -> HttpResponse:
    rows = queries.models_of(place.collection)
    jobs = Job.objects.unfinished().filter(scope=place.collection.scope, kind="training_jobs.evaluate")
    context = {
        "rows": rows,
        "scale": max((row.evaluation.high for row in rows if row.evaluation), default=0.0),
        "test_set": test_set(place.collection),
        "being_measured": {job.arguments.get("model_id") for job in jobs},
    }
    context["is_live"] = bool(context["being_measured"])
    return page(request, place, "web/models.html", context, section="models")


@in_collection(Role.VIEWER)
def model(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    row = row_of(place, pk)
    champion = next((one for one in queries.models_of(place.collection) if one.is_champion), None)
    compared = champion if champion and champion.model != row.model else None
    context = {
        "row": row,
        "compared": compared,
        "training": TrainingJob.objects.filter(model=row.model, collection=place.collection).first(),
        "slices": queries.slices(compared.evaluation if compared else None, row.evaluation)
        if row.evaluation
        else [],
        "test_set": test_set(place.collection),
        "lineage": sorted(
            (name, value) for name, value in row.model.lineage.items() if value not in ({}, "", None)
        ),
    }
    return page(request, place, "web/model.html", context, section="models")


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
