"""Bringing audio in, and what became of it."""

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.corpus.imports import retry_failed, undo
from earmark.corpus.ingest import submit_ingest
from earmark.corpus.models import Import, ImportFile
from earmark.jobs.models import UNFINISHED
from earmark.web.import_forms import ImportOptionsForm, ServerImportForm
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.queries import data as queries
from earmark.web.views.telling import telling

FILES_PER_PAGE = 100


@in_collection(Role.VIEWER)
def imports(request: HttpRequest, place: Place) -> HttpResponse:
    rows = queries.imports_of(place.collection)
    context = {
        "rows": rows,
        "is_live": any(row.job and row.job.status in UNFINISHED for row in rows),
        "options": ImportOptionsForm(),
        "server": ServerImportForm(),
        "roots": settings.EARMARK.import_roots,
        "buckets": settings.EARMARK.import_buckets,
        "words": _words(),
    }
    return page(request, place, "web/imports.html", context, section="imports")


@in_collection(Role.ADMIN, WRITE)
def import_server(request: HttpRequest, place: Place) -> HttpResponse:
    """Import a folder that the servers see, or a prefix of a bucket."""
    form = ServerImportForm(request.POST)
    if form.is_valid():
        with telling(request):
            made, _job = submit_ingest(collection=place.collection, by=place.person, **form.asked())
            return redirect("web:import", slug=place.collection.slug, pk=made.pk)
        return redirect("web:imports", slug=place.collection.slug)
    context = {"rows": queries.imports_of(place.collection), "options": ImportOptionsForm(), "server": form}
    told = {"roots": settings.EARMARK.import_roots, "buckets": settings.EARMARK.import_buckets}
    return page(request, place, "web/imports.html", context | told | {"words": _words()}, section="imports")


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
        "outcomes": [
            (key, label, count)
            for (key, label), count in zip(
                ImportFile.Outcome.choices, (row.ingested, row.duplicate, row.failed), strict=True
            )
        ],
        "reasons": queries.reasons_of(one) if row.failed else [],
        "files": Paginator(files.select_related("recording"), FILES_PER_PAGE).get_page(
            request.GET.get("page")
        ),
        "is_live": row.job is not None and row.job.status in UNFINISHED,
    }
    return page(request, place, "web/import.html", context, section="imports")


@in_collection(Role.MANAGER, WRITE)
def import_retry(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Look at the failed files again."""
    made = get_object_or_404(Import, pk=pk, collection=place.collection)
    with telling(request, _("The failed files are looked at again.")):
        retry_failed(made=made, by=place.person)
    return redirect("web:import", slug=place.collection.slug, pk=pk)


@in_collection(Role.MANAGER, WRITE)
def import_undo(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Take out of the collection what the import brought in."""
    made = get_object_or_404(Import, pk=pk, collection=place.collection)
    with telling(request, _("What this import brought in is being taken out.")):
        undo(made=made, by=place.person)
    return redirect("web:import", slug=place.collection.slug, pk=pk)


def _words() -> dict[str, str]:
    """What the script of the upload says."""
    return {
        "waiting": _("waiting"),
        "sending": _("sending"),
        "there": _("uploaded"),
        "trying": _("no connection; trying again"),
        "failed": _("failed"),
        "missing": _("choose it again"),
        "remove": _("Remove"),
        "again": _("Try again"),
        "none": _("None"),
        "more": _("and {n} more"),
        "all_there": _("All {n} files are there. Import them when you are ready."),
        "under_way": _("{done} of {n} files are there, {sent} of {all}. About {left} to go."),
        "paused": _("{done} of {n} files are there, {sent} of {all}."),
        "to_choose": _(
            "{n} files of an earlier upload are not complete. "
            "Choose the same files again: each goes on where it stopped."
        ),
        "import": _("Import {n} files"),
    }
