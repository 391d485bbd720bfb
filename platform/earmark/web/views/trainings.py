"""Trainings: launch, watch, cancel."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.jobs.models import UNFINISHED, Status
from earmark.recognition.models import Alias
from earmark.recognition.registry import holder
from earmark.speech.errors import EarmarkError
from earmark.web.naming import STAGES, name_of
from earmark.web.places import FORM, WRITE, Place, in_collection, page, part
from earmark.web.queries import trainings as queries
from earmark.web.queries.home import labelled_since
from earmark.web.training_forms import OFFERED, LaunchForm, RetryForm, defaults
from earmark.web.views.telling import telling
from training_jobs.devices import place_in_line
from training_jobs.dry_run import dry_run
from training_jobs.launchers.trainer_process import tail
from training_jobs.models import TrainingJob
from training_jobs.preparing import folder_of
from training_jobs.services import launch
from training_jobs.stopping import retry, stop_training

DRAWN_AS_BANDS = ("warm-up", "mixed")


@in_collection(Role.VIEWER)
def trainings(request: HttpRequest, place: Place) -> HttpResponse:
    found = queries.trainings_of(place.collection)
    measured = queries.evaluations_of(place.collection).defer("slices", "counts")
    evaluations = {one.model_id: one for one in measured}
    rows = [(one, evaluations.get(one.base_id), evaluations.get(one.model_id or 0)) for one in found]
    is_live = any(one.job and one.job.status in UNFINISHED for one in found)
    return page(request, place, "web/trainings.html", {"rows": rows, "is_live": is_live}, section="trainings")


@in_collection(Role.VIEWER)
def training(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = _training(place, pk)
    curves = queries.curves(one)
    both = queries.evaluations_of(place.collection).filter(model__in=[one.base_id, one.model_id])
    evaluations = {each.model_id: each for each in both}
    before, after = evaluations.get(one.base_id), evaluations.get(one.model_id or 0)
    is_running = one.job is not None and one.job.status in UNFINISHED
    waits = is_running and one.phase == TrainingJob.Phase.WAITING
    context = {
        "training": one,
        "curves": curves,
        "events": queries.events(one),
        "before_it": place_in_line(one) if waits else None,
        "devices": list(one.held_devices.values_list("name", flat=True)) if is_running else [],
        "retry": RetryForm() if place.is_admin and _can_retry(one) else None,
        "tracker_errors": [
            (name, state["error"]) for name, state in one.trackers.items() if "error" in state
        ],
        "chart": {**_shown(curves), "words": _words(), "is_running": is_running},
        "metrics_url": reverse("web:training_metrics", args=[place.collection.slug, pk]),
        "stages": _stages(one, curves),
        "before": before,
        "after": after,
        "before_after": [before, after],
        "slices": queries.slices(before, after) if after else [],
        "scale": max((each.high for each in (before, after) if each), default=0.0),
        "champion": holder(place.collection, Alias.Name.CHAMPION),
        "is_running": is_running,
        "awaits_evaluation": after is None and queries.is_being_measured(one),
        "is_unmeasured": one.model_id is not None and after is None and not is_running,
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
    return JsonResponse({**_shown(queries.curves(one)), "is_running": is_running})


@in_collection(Role.MANAGER)
def training_log(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """The end of what trainer and platform wrote, for htmx."""
    return part(request, place, "web/parts/log.html", {"lines": tail(folder_of(_training(place, pk)))})


@in_collection(Role.ADMIN, FORM)
def training_launch(request: HttpRequest, place: Place) -> HttpResponse:
    form = _launch_form(request, place)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = launch(
                collection=place.collection, seed=given["seed"], priority=given["priority"], by=place.person,
                **form.asked(),
            )  # fmt: skip
        except EarmarkError as error:
            form.add_error(None, f"{error} ({error.error_id})")
        else:
            return redirect("web:training", slug=place.collection.slug, pk=made.pk)
    last = place.collection.training_jobs.first()
    context = {
        "form": form,
        "defaults": defaults(),
        "champion": holder(place.collection, Alias.Name.CHAMPION),
        "labelled_since": labelled_since(place.collection, last) if last else None,
    }
    return page(request, place, "web/training_launch.html", context, section="trainings")


@in_collection(Role.ADMIN, WRITE)
def training_dry_run(request: HttpRequest, place: Place) -> HttpResponse:
    """What the form would do, for htmx; nothing is written."""
    form = _launch_form(request, place)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        try:
            context["found"] = dry_run(collection=place.collection, **form.asked())
        except EarmarkError as error:
            context["error"] = error
    return part(request, place, "web/parts/dry_run.html", context)


@in_collection(Role.ADMIN, WRITE)
def training_cancel(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one, hard = _training(place, pk), request.POST.get("hard") == "yes"
    told = _("The training is being killed.") if hard else _("The training stops after saving where it is.")
    with telling(request, told):
        stop_training(one, hard=hard, by=place.person)
    return redirect("web:training", slug=place.collection.slug, pk=pk)


@in_collection(Role.ADMIN, WRITE)
def training_retry(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    with telling(request, _("The training is queued again.")):
        retry(_training(place, pk), reason=request.POST.get("reason", ""), by=place.person)
    return redirect("web:training", slug=place.collection.slug, pk=pk)


def _launch_form(request: HttpRequest, place: Place) -> LaunchForm:
    return LaunchForm(
        request.POST if request.method == "POST" else None,
        snapshots=queries.offered_snapshots(place.collection, OFFERED),
        models=queries.offered_bases(place.collection, OFFERED),
    )


def _can_retry(one: TrainingJob) -> bool:
    return one.model_id is None and (one.job is None or one.job.is_finished)


def _training(place: Place, pk: int) -> TrainingJob:
    rows = TrainingJob.objects.select_related("job", "base", "model", "snapshot", "created_by")
    return get_object_or_404(rows, pk=pk, collection=place.collection)


def _shown(curves: queries.Curves) -> dict[str, Any]:
    shown = asdict(curves)
    shown["stages"] = [
        [name_of(name, STAGES), *span] for name, *span in curves.stages if name in DRAWN_AS_BANDS
    ]
    return shown


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
        "variance_ratio": _("Gradient variance ratio"),
        "learning_rate": _("Learning rate"),
        "gradient_norm": _("Gradient norm"),
        "samples_per_second": _("Clips a second"),
        "gpu_bytes": _("GPU memory, GB"),
        "accepted": _("pseudo-labels accepted"),
        "of": _("of"),
    }
