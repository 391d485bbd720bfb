"""Long work: what runs, what waits, what failed and why."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.jobs.models import UNFINISHED, Job, Status
from earmark.jobs.services import cancel
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.views.telling import telling

SHOWN = 100


@in_collection(Role.VIEWER)
def jobs(request: HttpRequest, place: Place) -> HttpResponse:
    found = Job.objects.filter(scope=place.collection.scope).select_related("created_by").defer("traceback")
    status = request.GET.get("status", "")
    if status in Status.values:
        found = found.filter(status=status)
    rows = list(found[:SHOWN])
    context = {
        "rows": rows,
        "status": status,
        "statuses": Status.choices,
        "is_live": any(job.status in UNFINISHED for job in rows),
    }
    return page(request, place, "web/jobs.html", context, section="jobs")


@in_collection(Role.VIEWER)
def job(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = get_object_or_404(Job.objects.select_related("created_by"), pk=pk, scope=place.collection.scope)
    context = {
        "job": one,
        "is_live": one.status in UNFINISHED,
        "result": sorted(one.result.items()),
        "arguments": sorted(one.arguments.items()),
    }
    return page(request, place, "web/job.html", context, section="jobs")


@in_collection(Role.ADMIN, WRITE)
def job_cancel(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = get_object_or_404(Job, pk=pk, scope=place.collection.scope)
    with telling(request, _("The job ends at its next step.")):
        cancel(one)
    return redirect("web:job", slug=place.collection.slug, pk=pk)
