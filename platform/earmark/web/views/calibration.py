"""What a model's confidence means in a collection: drawn, in figures, and learned anew."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from annotation.auditing import audited_clips, request_calibration
from earmark.accounts.roles import Role
from earmark.jobs.models import Job
from earmark.recognition.calibrating import heard_with_reference
from earmark.recognition.calibrations import newest
from earmark.speech.calibration_fit import FEWEST
from earmark.speech.calibration_report import FEW
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.views.models import row_of
from earmark.web.views.telling import telling
from training_jobs.comparison_table import slice_label

FIGURES = ("auroc", "ece", "nce", "aurc")
JOBS = ("recognition.calibrate", "champion.follow")


@in_collection(Role.VIEWER)
def calibration(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    row = row_of(place, pk)
    held = newest(place.collection, row.model)
    audited = heard_with_reference(row.model, audited_clips(place.collection, row.model)).count()
    running = Job.objects.unfinished().filter(scope=place.collection.scope, kind__in=JOBS).first()
    context = {
        "row": row,
        "held": held,
        "report": held.report if held else None,
        "audited": audited,
        "fewest": FEWEST,
        "few": FEW,
        "can_calibrate": audited >= FEWEST,
        "running": running,
        "table": _table(held.report) if held else [],
        "drawn": _drawn(held.report) if held else None,
    }
    return page(request, place, "web/calibration.html", context, section="models")


@in_collection(Role.MANAGER, WRITE)
def model_calibrate(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Learn anew what the model's confidence means."""
    row = row_of(place, pk)
    with telling(request, _("%(model)s is being calibrated.") % {"model": row.model.name}):
        request_calibration(collection=place.collection, model=row.model, by=place.person)
    return redirect("web:calibration", slug=place.collection.slug, pk=row.model.pk)


def _table(report: dict[str, Any]) -> list[dict[str, Any]]:
    """All clips first, then each language: our figures beside those of the plain probability."""
    return [
        _row(_("All clips"), report),
        *(_row(slice_label("language", one["language"]), one) for one in report["languages"]),
    ]


def _row(name: str, report: dict[str, Any]) -> dict[str, Any]:
    ours, plain = report.get("calibrated"), report.get("max_probability") or {}
    pairs = [(ours.get(figure), plain.get(figure)) for figure in FIGURES] if ours else []
    return {
        "name": name,
        "clips": report["clips"],
        "wrong": report["wrong"],
        "pairs": pairs,
    }


def _drawn(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "reliability": report["reliability"],
        "risk": report["risk_coverage"],
        "words": {
            "probability": _("Probability told"),
            "right": _("Share right"),
            "clips": _("clips"),
            "perfect": _("as told"),
            "coverage": _("Accepted, surest first"),
            "risk": _("Wrong among them"),
            "calibrated": _("calibrated"),
            "max_probability": _("plain probability"),
        },
    }
