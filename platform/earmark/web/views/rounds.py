"""Rounds: what people were asked, and what they sent back."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from annotation.models import Round
from annotation.queries import progress_of, project_url, stuck
from annotation.rounds import close_round, request_round, start_sync
from earmark.accounts.roles import Role
from earmark.jobs.models import Job
from earmark.speech.errors import EarmarkError
from earmark.web.forms import RoundForm
from earmark.web.places import FORM, WRITE, Place, in_collection, page
from earmark.web.queries import rounds as queries
from earmark.web.views.telling import telling


@in_collection(Role.VIEWER)
def rounds(request: HttpRequest, place: Place) -> HttpResponse:
    found = queries.rounds_of(place.collection)
    progress = progress_of(found)
    rows = [(one, progress[one.pk], queries.parts_of(progress[one.pk])) for one in found]
    is_live = any(one.status != Round.Status.CLOSED for one in found)
    return page(request, place, "web/rounds.html", {"rows": rows, "is_live": is_live}, section="rounds")


@in_collection(Role.VIEWER)
def round_page(request: HttpRequest, place: Place, number: int) -> HttpResponse:
    one = get_object_or_404(
        Round.objects.select_related("model", "created_by"), collection=place.collection, number=number
    )
    progress = progress_of([one])[one.pk]
    jobs = Job.objects.filter(scope=place.collection.scope, kind__startswith="annotation.")
    context = {
        "round": one,
        "progress": progress,
        "parts": queries.parts_of(progress),
        "project_url": project_url(one),
        "reasons": queries.reasons(one),
        "annotators": queries.annotators(one),
        "first": queries.asked_first(one),
        "newest": queries.newest_annotations(one),
        "mean_confidence": queries.average_confidence(one),
        "jobs": list(jobs.unfinished()),
        "failed": jobs.filter(arguments__round_id=one.pk).first(),
        "stuck": (waiting := stuck(one)),
        "stuck_passes": sum(each.passes for each in waiting),
        "incidents": one.incidents.count() if place.is_manager else 0,
        "is_live": one.status != Round.Status.CLOSED,
    }
    return page(request, place, "web/round.html", context, section="rounds")


@in_collection(Role.MANAGER, FORM)
def round_new(request: HttpRequest, place: Place) -> HttpResponse:
    form = RoundForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made, _job = request_round(
                collection=place.collection,
                budget_seconds=given["minutes"] * 60,
                audit_share=given["audit_percent"] / 100,
                strategy=given["strategy"],
                seed=given["seed"],
                by=place.person,
            )
        except EarmarkError as error:
            form.add_error(None, f"{error} ({error.error_id})")
        else:
            return redirect("web:round", slug=place.collection.slug, number=made.number)
    return page(request, place, "web/round_new.html", {"form": form}, section="rounds")


@in_collection(Role.MANAGER, WRITE)
def round_sync(request: HttpRequest, place: Place, number: int) -> HttpResponse:
    one = get_object_or_404(Round, collection=place.collection, number=number)
    with telling(request, _("Fetching what people submitted in Label Studio.")):
        start_sync(round=one)
    return redirect("web:round", slug=place.collection.slug, number=number)


@in_collection(Role.MANAGER, WRITE)
def round_close(request: HttpRequest, place: Place, number: int) -> HttpResponse:
    one = get_object_or_404(Round, collection=place.collection, number=number)
    with telling(
        request, _("Round %(n)s is closed. What nobody labelled is back in the pool.") % {"n": number}
    ):
        close_round(round=one, by=place.person)
    return redirect("web:round", slug=place.collection.slug, number=number)
