"""Transcription runs: how far each is, what failed, begin and call off."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.recognition.run_models import TranscriptionRun
from earmark.recognition.runs import cancel_run, submit_transcription
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.queries import transcriptions as queries
from earmark.web.queries.clips import languages_and_dialects
from earmark.web.transcription_forms import ONLY, TranscriptionForm
from earmark.web.views.telling import telling


@in_collection(Role.VIEWER)
def transcriptions(request: HttpRequest, place: Place) -> HttpResponse:
    return _shown(request, place, _form(request, place) if place.is_manager else None)


@in_collection(Role.MANAGER, WRITE)
def transcription_start(request: HttpRequest, place: Place) -> HttpResponse:
    """Have a model hear what it has not heard yet."""
    form = _form(request, place)
    if not form.is_valid():
        return _shown(request, place, form)
    with telling(request):
        job = submit_transcription(collection=place.collection, by=place.person, **form.asked())
        run = TranscriptionRun.objects.get(job=job)
        return redirect("web:transcription", slug=place.collection.slug, pk=run.pk)
    return redirect("web:transcriptions", slug=place.collection.slug)


@in_collection(Role.VIEWER)
def transcription(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    row = _row(place, pk)
    context = {
        "row": row,
        "which": ONLY.get(row.run.only, row.run.only),
        "failures": queries.failures_of(row.run),
        "is_live": row.is_live,
    }
    return page(request, place, "web/transcription.html", context, section="transcriptions")


@in_collection(Role.MANAGER, WRITE)
def transcription_cancel(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Call a run off."""
    row = _row(place, pk)
    with telling(request, _("The run is called off. What is heard stays.")):
        cancel_run(row.run, by=place.person)
    return redirect("web:transcription", slug=place.collection.slug, pk=pk)


def _row(place: Place, pk: int) -> queries.RunRow:
    rows = queries.runs_of(place.collection, only=pk)
    if not rows:
        raise Http404
    return rows[0]


def _form(request: HttpRequest, place: Place) -> TranscriptionForm:
    languages, dialects = languages_and_dialects(place.collection)
    return TranscriptionForm(
        request.POST or None,
        models=queries.models_for(place.collection),
        languages=languages,
        dialects=dialects,
    )


def _shown(request: HttpRequest, place: Place, form: TranscriptionForm | None) -> HttpResponse:
    rows = queries.runs_of(place.collection)
    context = {"rows": rows, "form": form, "is_live": any(row.is_live for row in rows)}
    return page(request, place, "web/transcriptions.html", context, section="transcriptions")
