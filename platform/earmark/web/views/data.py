"""Snapshots and exports."""

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.datasets.exports import request_export
from earmark.datasets.models import Export, Snapshot
from earmark.datasets.snapshots import take_snapshot
from earmark.jobs.models import UNFINISHED
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.views.telling import telling


@in_collection(Role.VIEWER)
def snapshots(request: HttpRequest, place: Place) -> HttpResponse:
    rows = list(
        place.collection.snapshots.select_related("created_by").prefetch_related("exports__job")[:100]
    )
    context = {
        "rows": rows,
        "has_test_set": any(one.purpose == Snapshot.Purpose.TEST for one in rows),
        "formats": Export.Format.choices,
        "is_live": any(
            export.job and export.job.status in UNFINISHED for one in rows for export in one.exports.all()
        ),
    }
    return page(request, place, "web/snapshots.html", context, section="snapshots")


@in_collection(Role.MANAGER, WRITE)
def snapshot_take(request: HttpRequest, place: Place) -> HttpResponse:
    """Freeze what is labelled now."""
    with telling(request, _("What is labelled now is frozen as a snapshot.")):
        take_snapshot(collection=place.collection, by=place.person)
    return redirect("web:snapshots", slug=place.collection.slug)


@in_collection(Role.MANAGER, WRITE)
def export_request(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Have a snapshot's labelled set written to a file."""
    snapshot = get_object_or_404(Snapshot, pk=pk, collection=place.collection)
    wanted = request.POST.get("format", "")
    with telling(request, _("The export is being written; it is offered here when it is done.")):
        request_export(snapshot=snapshot, format=wanted, by=place.person)
    return redirect("web:snapshots", slug=place.collection.slug)


@in_collection(Role.MANAGER)
def export_download(request: HttpRequest, place: Place, pk: int) -> HttpResponseBase:
    export = get_object_or_404(
        Export.objects.select_related("snapshot").exclude(file=""),
        pk=pk,
        snapshot__collection=place.collection,
    )
    ending = "zip" if export.format == Export.Format.AUDIOFOLDER else "jsonl"
    name = f"{place.collection.slug}-{export.snapshot.digest[:12]}.{ending}"
    return FileResponse(export.file.open("rb"), as_attachment=True, filename=name)
