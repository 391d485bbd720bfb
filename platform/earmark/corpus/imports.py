"""What may be done with an import afterwards: its failed files tried again, or all of it undone."""

from typing import Any

from django.db import transaction
from django.db.models import PROTECT, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus import stored
from earmark.corpus.ingest import last_status, submit_again, was_broken_off
from earmark.corpus.models import Clip, Import, ImportFile, Recording, Reference
from earmark.corpus.samples import CLIPS_FOLDER
from earmark.corpus.sources import source_for
from earmark.jobs.models import Job, Status
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.speech.errors import EarmarkError

RECORDINGS_AT_ONCE = 500


def retry_failed(*, made: Import, by: User | None) -> Job:
    """Look at the failed files of an import again, and go on with one whose job broke off.

    Raises EarmarkError `corpus:import:undone`, `corpus:import:under-way`, or `corpus:import:nothing-failed`; and what
    `submit_ingest` raises where its source is gone: what failed stays on record then.
    """
    _refuse_undone(made)
    with source_for(made.source, made.options) as source:
        source.check()
    return _retry(made, by)


@transaction.atomic
def _retry(made: Import, by: User | None) -> Job:
    held = Import.objects.select_for_update(no_key=True).select_related("collection").get(pk=made.pk)
    _refuse_undone(held)
    if last_status(held) == Status.RUNNING:
        raise EarmarkError(
            "corpus:import:under-way",
            _("Import %(id)s is still coming in.") % {"id": held.pk},
            _("Wait until it is done, or cancel its job; then try again what failed."),
        )
    failed, _each = held.files.filter(outcome=ImportFile.Outcome.FAILED).delete()
    if not failed and not was_broken_off(held):
        raise EarmarkError(
            "corpus:import:nothing-failed",
            _("No file of import %(id)s failed.") % {"id": held.pk},
            _("Import the folder again to bring in files that were added since."),
        )
    audit(by, "retry import", f"import {held.pk}", files=failed)
    return submit_again(held, by=by)


@transaction.atomic
def undo(*, made: Import, by: User | None) -> Job:
    """Take out of the collection what an import brought in, if nothing depends on it.

    Speakers stay, with their sides. Raises EarmarkError `corpus:import:undone`, `corpus:import:in-use`.
    """
    held = Import.objects.select_for_update(no_key=True).select_related("collection").get(pk=made.pk)
    _refuse_undone(held)
    refuse_in_use(held)
    held.undone_at = timezone.now()
    held.save(update_fields=["undone_at"])
    audit(by, "undo import", f"import {held.pk}", source=held.source)
    return submit(
        "corpus.undo", scope=held.collection.scope, key=f"corpus.undo:{held.pk}", by=by, import_id=held.pk
    )


def refuse_in_use(made: Import) -> None:
    """Raise EarmarkError `corpus:import:in-use` when people's work or a snapshot hangs on what it brought in."""
    clips = Clip.objects.filter(recording__in=_brought_in(made))
    written = Reference.objects.filter(clip__in=clips).exclude(kind=Reference.Kind.IMPORTED)
    uses = {str(Reference._meta.verbose_name_plural): written.exists()}
    for relation in Clip._meta.related_objects:
        if relation.on_delete is PROTECT:
            there = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": clips})
            uses[str(relation.related_model._meta.verbose_name_plural)] = there.exists()
    if used := [name for name, is_used in uses.items() if is_used]:
        raise EarmarkError(
            "corpus:import:in-use",
            _("Import %(id)s cannot be undone: %(uses)s depend on its clips.")
            % {"id": made.pk, "uses": ", ".join(used)},
            _("Set the clips aside as unfit instead."),
        )


def run_undo(context: Context, *, import_id: int) -> dict[str, Any]:
    """Delete what an undone import brought in, so many recordings at a time; killed anywhere, it goes on."""
    made = Import.objects.select_related("collection").get(pk=import_id)
    total, done = _brought_in(made).count(), 0
    while some := list(_brought_in(made).order_by("pk")[:RECORDINGS_AT_ONCE]):
        with transaction.atomic():
            refuse_in_use(made)
            Recording.objects.filter(pk__in=[one.pk for one in some]).delete()
        _forget_files(some)
        done += len(some)
        context.progress(done, total)
    return {"recordings": done}


def _brought_in(made: Import) -> QuerySet[Recording]:
    files = ImportFile.objects.filter(of=made, outcome=ImportFile.Outcome.INGESTED, recording__isnull=False)
    return Recording.objects.filter(pk__in=files.values("recording_id"))


def _forget_files(recordings: list[Recording]) -> None:
    """Delete stored bytes that no recording of any collection holds."""
    digests = [one.sha256 for one in recordings]
    kept = set(Recording.objects.filter(sha256__in=digests).values_list("sha256", flat=True))
    for one in recordings:
        if one.sha256 not in kept:
            stored.forget(one.file.name or "")
            stored.forget_below(f"{CLIPS_FOLDER}/{one.sha256[:2]}/{one.sha256}")


def _refuse_undone(made: Import) -> None:
    if made.undone_at is not None:
        raise EarmarkError(
            "corpus:import:undone",
            _("Import %(id)s was undone.") % {"id": made.pk},
            _("Import the folder again."),
        )
