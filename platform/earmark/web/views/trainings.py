"""Trainings: launch, watch, cancel."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.jobs.models import UNFINISHED, Status
from earmark.jobs.services import cancel
from earmark.recognition.models import Alias
from earmark.recognition.registry import holder
from earmark.speech.errors import EarmarkError
from earmark.web.forms import LaunchForm
from earmark.web.naming import STAGES, name_of
from earmark.web.places import FORM, WRITE, Place, in_collection, page
from earmark.web.queries import trainings as queries
from earmark.web.queries.home import labelled_since
from earmark.web.views.telling import telling
from training_jobs.models import TrainingJob
from training_jobs.services import launch

DRAWN_AS_BANDS = ("warm-up", "mixed")


@in_collection(Role.VIEWER)
def trainings(request: HttpRequest, place: Place) -> HttpResponse:
    found = queries.trainings_of(place.collection)
    evaluations = {one.model_id: one for one in queries.evaluations_of(place.collection)}
    rows = [(one, evaluations.get(one.base_id), evaluations.get(one.model_id or 0)) for one in found]
    is_live = any(one.job and one.job.status in UNFINISHED for one in found)
    return page(request, place, "web/trainings.html", {"rows": rows, "is_live": is_live}, section="trainings")


@in_collection(Role.VIEWER)
def training(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = _training(place, pk)
    curves = queries.curves(one)
    evaluations = {each.model_id: each for each in queries.evaluations_of(place.collection)}
    before, after = evaluations.get(one.base_id), evaluations.get(one.model_id or 0)
    is_running = one.job is not None and one.job.status in UNFINISHED
    context = {
        "training": one,
        "curves": curves,
        "chart": {**_figures(curves), "words": _words(), "is_running": is_running},
        "metrics_url": reverse("web:training_metrics", args=[place.collection.slug, pk]),
        "stages": _stages(one, curves),
        "before": before,
        "after": after,
        "before_after": [before, after],
        "slices": queries.slices(before, after) if after else [],
        "scale": max((each.high for each in (before, after) if each), default=0.0),
        "champion": holder(place.collection, Alias.Name.CHAMPION),
        "is_running": is_running,
        "awaits_evaluation": one.model_id is not None and after is None,
    }
    return page(request, place, "web/training.html", context, section="trainings")


@in_collection(Role.VIEWER)
def training_metrics(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """The curves as JSON for the live plot; 204 while nothing is newer than the position `after`."""
    one = _training(place, pk)
    is_running = one.job is not None and one.job.status in UNFINISHED
    newest = queries.newest_position(one)
    if is_running and request.GET.get("after") == str(newest):
        return HttpResponse(status=204)
    return JsonResponse({**_figures(queries.curves(one)), "is_running": is_running})


@in_collection(Role.ADMIN, FORM)
def training_launch(request: HttpRequest, place: Place) -> HttpResponse:
    form = LaunchForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = launch(collection=place.collection, by=place.person, **form.cleaned_data)
        except EarmarkError as error:
            form.add_error(None, f"{error} ({error.error_id})")
        else:
            return redirect("web:training", slug=place.collection.slug, pk=made.pk)
    last = place.collection.training_jobs.first()
    context = {
        "form": form,
        "champion": holder(place.collection, Alias.Name.CHAMPION),
        "labelled": labelled_since(place.collection, None),
        "labelled_since": labelled_since(place.collection, last),
        "last": last,
    }
    return page(request, place, "web/training_launch.html", context, section="trainings")


@in_collection(Role.ADMIN, WRITE)
def training_cancel(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = _training(place, pk)
    with telling(request, _("The training stops after saving where it is.")):
        if one.job is None or one.job.is_finished:
            raise EarmarkError(
                "training:job:finished", _("This training is not running."), _("There is nothing to cancel.")
            )
        cancel(one.job)
    return redirect("web:training", slug=place.collection.slug, pk=pk)


def _training(place: Place, pk: int) -> TrainingJob:
    rows = TrainingJob.objects.select_related("job", "base", "model", "snapshot", "created_by")
    return get_object_or_404(rows, pk=pk, collection=place.collection)


def _figures(curves: queries.Curves) -> dict[str, Any]:
    figures = asdict(curves)
    figures["stages"] = [
        [name_of(name, STAGES), *span] for name, *span in curves.stages if name in DRAWN_AS_BANDS
    ]
    return figures


def _stages(one: TrainingJob, curves: queries.Curves) -> list[dict[str, Any]]:
    """Every stage with whether it is over, under way or still to come."""
    order = list(STAGES)
    seen = [name for name, *_span in curves.stages]
    ended = one.job is not None and one.job.status == Status.SUCCEEDED
    now = max((order.index(name) for name in seen if name in order), default=-1)
    return [
        {"label": STAGES[name], "state": "done" if ended or at < now else "now" if at == now else "coming"}
        for at, name in enumerate(order)
    ]


def _words() -> dict[str, str]:
    return {
        "loss": _("Loss on labels"),
        "pseudo_loss": _("Loss on pseudo-labels"),
        "consistency_loss": _("Consistency"),
        "error_rate": _("Error rate on dev"),
        "step": _("Step"),
        "accepted": _("pseudo-labels accepted"),
        "of": _("of"),
    }
