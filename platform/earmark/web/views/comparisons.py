"""Two models side by side; and bringing a model in to be compared."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from earmark.accounts.roles import Role
from earmark.jobs.models import UNFINISHED
from earmark.recognition.registering import submit_registration
from earmark.web.comparison_forms import CompareForm, RegisterForm
from earmark.web.places import FORM, Place, in_collection, page
from earmark.web.queries import comparisons as queries
from earmark.web.views.telling import telling
from training_jobs.comparing import request_comparison
from training_jobs.comparison_markdown import markdown, of_report
from training_jobs.comparison_report import winner
from training_jobs.comparison_table import groups
from training_jobs.models import Comparison


@in_collection(Role.VIEWER)
def comparisons(request: HttpRequest, place: Place) -> HttpResponse:
    rows = queries.comparisons_of(place.collection)
    context = {"rows": rows, "is_live": any(one.job and one.job.status in UNFINISHED for one in rows)}
    return page(request, place, "web/comparisons.html", context, section="models")


@in_collection(Role.MANAGER, FORM)
def comparison_new(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose two models and have them compared."""
    sent = request.POST if request.method == "POST" else None
    form = CompareForm(
        sent, models=queries.comparable(place), snapshots=place.collection.snapshots.all(), chosen=request.GET
    )
    if sent is not None and form.is_valid():
        with telling(request):
            comparison = request_comparison(**form.cleaned_data, by=place.person)
            return redirect("web:comparison", slug=place.collection.slug, pk=comparison.pk)
    context = {"form": form, "register": RegisterForm() if place.person.is_superuser else None}
    return page(request, place, "web/comparison_new.html", context, section="models")


@in_collection(Role.VIEWER)
def comparison(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = _comparison(place, pk)
    context = {"comparison": one, "is_running": one.job is not None and one.job.status in UNFINISHED}
    if one.report:
        end = queries.scale(one.report)
        context |= {
            "groups": groups(one.report),
            "kinds": queries.kinds(one.report),
            "scale": end,
            "ticks": queries.ticks(end),
            "overall": one.report["overall"],
            "mistakes": [
                (side, model, one.report["confusions"][side]) for side, model in (("a", one.a), ("b", one.b))
            ],
            "better": winner(one.report["overall"]),
        }
    return page(request, place, "web/comparison.html", context, section="models")


@in_collection(Role.VIEWER)
def comparison_markdown(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """The comparison as a file."""
    one = _comparison(place, pk)
    with telling(request):
        text = markdown(of_report(one))
        name = f"comparison-{place.collection.slug}-{one.pk}.md"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(text, content_type="text/markdown; charset=utf-8", headers=headers)
    return redirect("web:comparison", slug=place.collection.slug, pk=pk)


@in_collection(Role.ADMIN, FORM)
def model_register(request: HttpRequest, place: Place) -> HttpResponse:
    """Register a model that the workers see: for who runs the platform, as any folder can be named."""
    if not place.person.is_superuser:
        raise PermissionDenied
    form = RegisterForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with telling(request):
            job = submit_registration(**form.cleaned_data, scope=place.collection.scope, by=place.person)
            return redirect("web:job", slug=place.collection.slug, pk=job.pk)
    return page(request, place, "web/model_register.html", {"form": form}, section="models")


def _comparison(place: Place, pk: int) -> Comparison:
    rows = Comparison.objects.select_related("a", "b", "snapshot", "job", "created_by")
    return get_object_or_404(rows, pk=pk, snapshot__collection=place.collection)
