"""The quality gate of a collection, and cutting its recordings anew."""

from dataclasses import fields
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.corpus.gate import Gate, changed, gate_of, set_thresholds
from earmark.corpus.gate_preview import measures_of
from earmark.corpus.resegmenting import resegment
from earmark.jobs.models import UNFINISHED
from earmark.speech.errors import EarmarkError
from earmark.speech.segmentation import SegmentationSettings
from earmark.web.cutting_forms import CUTS, THRESHOLDS, CutForm, GateForm
from earmark.web.places import FORM, Place, in_collection, page, part
from earmark.web.queries import cutting as queries
from earmark.web.views.telling import telling


@in_collection(Role.MANAGER, FORM)
def gate(request: HttpRequest, place: Place) -> HttpResponse:
    """The thresholds with what they would set aside; POST applies them by a job."""
    usual = changed(Gate(), settings.QUALITY_GATE)
    form = GateForm(
        request.POST if request.method == "POST" else None, settings=usual, initial=place.collection.gate
    )
    if request.method == "POST" and form.is_valid():
        with telling(request, _("The clips are being judged again.")):
            set_thresholds(collection=place.collection, thresholds=form.thresholds(), by=place.person)
            return redirect("web:gate", slug=place.collection.slug)
    job = queries.newest_job(place.collection, "corpus.judge")
    context = {
        "form": form,
        "rows": [(form[name], unit) for name, (_label, unit, _step) in THRESHOLDS.items()],
        "foreseen": queries.foreseen(measures_of(place.collection), gate_of(place.collection)),
        "job": job,
        "is_live": job is not None and job.status in UNFINISHED,
    }
    return page(request, place, "web/gate.html", context, section="corpus")


@in_collection(Role.MANAGER)
def gate_preview(request: HttpRequest, place: Place) -> HttpResponse:
    """What the thresholds in the address would set aside; a piece of the page."""
    usual = changed(Gate(), settings.QUALITY_GATE)
    form = GateForm(request.GET, settings=usual)
    context: dict[str, Any] = {}
    try:
        if form.is_valid():
            asked = changed(usual, form.thresholds())
            context["foreseen"] = queries.foreseen(measures_of(place.collection), asked)
        else:
            context["problem"] = _("Give numbers.")
    except EarmarkError as error:
        context |= {"problem": str(error), "problem_id": error.error_id}
    return part(request, place, "web/parts/gate_preview.html", context)


@in_collection(Role.MANAGER, FORM)
def recut(request: HttpRequest, place: Place) -> HttpResponse:
    """How recordings are cut, and what cutting them anew would change; POST does it by a job."""
    found = queries.recut_of(place.collection)
    form = CutForm(request.POST if request.method == "POST" else None, initial=found.settings.to_json())
    if request.method == "POST" and form.is_valid():
        try:
            resegment(
                collection=place.collection,
                settings=SegmentationSettings.from_json(form.cleaned_data),
                by=place.person,
            )
            return redirect("web:recut", slug=place.collection.slug)
        except EarmarkError as error:
            form.add_error(None, f"{error} ({error.error_id})")
    job = queries.newest_job(place.collection, "corpus.resegment")
    context = {
        "form": form,
        "rows": [(form[field.name], CUTS[field.name][1]) for field in fields(SegmentationSettings)],
        "found": found,
        "job": job,
        "unreadable": sorted((job.result.get("unreadable") or {}).items()) if job else [],
        "is_live": job is not None and job.status in UNFINISHED,
    }
    return page(request, place, "web/recut.html", context, section="corpus")
