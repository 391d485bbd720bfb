"""Imports, snapshots and exports."""

from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.corpus.models import Import, ImportFile
from earmark.datasets.exports import request_export
from earmark.datasets.models import Export, Snapshot
from earmark.datasets.snapshots import take_snapshot
from earmark.jobs.models import UNFINISHED
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.queries import data as queries
from earmark.web.views.telling import telling

FILES_PER_PAGE = 100


@in_collection(Role.VIEWER)
def imports(request: HttpRequest, place: Place) -> HttpResponse:
    rows = queries.imports_of(place.collection)
    is_live = any(row.job and row.job.status in UNFINISHED for row in rows)
    return page(request, place, "web/imports.html", {"rows": rows, "is_live": is_live}, section="imports")


@in_collection(Role.VIEWER)
def import_page(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    one = get_object_or_404(Import, pk=pk, collection=place.collection)
    outcome = request.GET.get("outcome", "")
    if outcome and outcome not in ImportFile.Outcome.values:
        raise Http404
    row = queries.imports_of(place.collection, only=pk)[0]
    files = one.files.filter(outcome=outcome) if outcome else one.files.all()
    context = {
        "row": row,
        "outcome": outcome,
        "outcomes": ImportFile.Outcome.choices,
        "files": Paginator(files.select_related("recording"), FILES_PER_PAGE).get_page(
            request.GET.get("page")
        ),
        "is_live": row.job is not None and row.job.status in UNFINISHED,
    }
    return page(request, place, "web/import.html", context, section="imports")


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
