"""What may be done with an import afterwards: its failed files tried again, or all of it undone."""

from typing import Any

from django.db import transaction
from django.db.models import PROTECT, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus import near_duplicates, stored
from earmark.corpus.gate import Gate, gate_of, quality_of
from earmark.corpus.ingest import call_off, last_status, submit_again, was_broken_off
from earmark.corpus.models import Clip, Collection, Import, ImportFile, Recording, Reference, Unfit
from earmark.corpus.recording import hold_content, refuse_undone
from earmark.corpus.samples import CLIPS_FOLDER
from earmark.jobs.models import Job, Status
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.speech.errors import EarmarkError

RECORDINGS_AT_ONCE = 50


@transaction.atomic
def retry_failed(*, made: Import, by: User | None) -> Job:
    """Look at the failed files of an import again, and go on with one whose job broke off.

    Raises EarmarkError `corpus:import:undone`, `corpus:import:busy`, or `corpus:import:nothing-failed`.
    """
    held = Import.objects.select_for_update(no_key=True).select_related("collection").get(pk=made.pk)
    refuse_undone(held)
    if last_status(held) == Status.RUNNING:
        raise EarmarkError(
            "corpus:import:busy",
            _("Import %(id)s is still coming in.") % {"id": held.pk},
            _("Wait until it is done, or cancel its job; then try again what failed."),
        )
    failed = held.files.filter(outcome=ImportFile.Outcome.FAILED).count()
    if not failed and not was_broken_off(held):
        raise EarmarkError(
            "corpus:import:nothing-failed",
            _("No file of import %(id)s failed.") % {"id": held.pk},
            _("Import the folder again to bring in files that were added since."),
        )
    audit(by, "retry import", f"import {held.pk}", files=failed)
    return submit_again(held, by=by, failed_too=True)


@transaction.atomic
def undo(*, made: Import, by: User | None) -> Job:
    """Take out of the collection what an import brought in, if nothing depends on it; what is under way is called off.

    Speakers stay, with their sides. One whose undo broke off may be asked for again. Raises EarmarkError
    `corpus:import:undone`, `corpus:import:in-use`.
    """
    held = Import.objects.select_for_update(no_key=True).select_related("collection").get(pk=made.pk)
    if not _brought_in(held).exists():
        refuse_undone(held)
    _refuse_in_use(held, _brought_in(held))
    held.undone_at = held.undone_at or timezone.now()
    held.save(update_fields=["undone_at"])
    call_off(held)
    audit(by, "undo import", f"import {held.pk}", source=held.source)
    return submit(
        "corpus.undo", scope=held.collection.scope, key=f"corpus.undo:{held.pk}", by=by, import_id=held.pk
    )


def _refuse_in_use(made: Import, recordings: QuerySet[Recording]) -> None:
    """Raise EarmarkError `corpus:import:in-use` when people's work or a snapshot hangs on `recordings` of it."""
    clips = Clip.objects.filter(recording__in=recordings)
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
    """Delete what an undone import brought in, so many recordings at a time; killed anywhere, it goes on.

    Writers of one collection take turns. Copies of what is gone are judged anew.
    """
    made = Import.objects.select_related("collection").get(pk=import_id)
    total, done = _brought_in(made).count(), 0
    while some := list(_brought_in(made).order_by("pk")[:RECORDINGS_AT_ONCE]):
        with transaction.atomic():
            collection = Collection.objects.select_for_update(no_key=True).get(pk=made.collection_id)
            going = Recording.objects.filter(pk__in=[one.pk for one in some])
            _refuse_in_use(made, going)
            left = near_duplicates.copies_of(going)
            going.delete()
            _judge_anew(left, gate_of(collection))
        _forget_files(some)
        done += len(some)
        context.progress(done, total)
    return {"recordings": done}


def _brought_in(made: Import) -> QuerySet[Recording]:
    files = ImportFile.objects.filter(of=made, outcome=ImportFile.Outcome.INGESTED, recording__isnull=False)
    return Recording.objects.filter(pk__in=files.values("recording_id"))


def _judge_anew(copies: list[Clip], gate: Gate) -> None:
    """What was a copy of what is gone has its sound to itself, or is a copy of another clip. A person's word stays."""
    free = []
    for clip in copies:
        clip.duplicate_of = None
        if clip.unfit == Unfit.DUPLICATE:
            quality, was_overruled = quality_of(clip), clip.is_fit
            clip.unfit = gate.verdict(quality) if quality else ""
            clip.is_fit = was_overruled or not clip.unfit
            free += [] if was_overruled else [clip.pk]
        else:
            free += [] if clip.is_fit else [clip.pk]
    Clip.objects.bulk_update(copies, ["duplicate_of", "unfit", "is_fit"])
    near_duplicates.set_aside(free)


def _forget_files(recordings: list[Recording]) -> None:
    """Delete stored bytes that no recording of any collection holds."""
    anywhere = list(Collection.objects.values_list("pk", flat=True))
    for one in recordings:
        with transaction.atomic():
            hold_content(one.sha256)
            if not Recording.objects.filter(collection__in=anywhere, sha256=one.sha256).exists():
                stored.forget(one.file.name or "")
                stored.forget_below(f"{CLIPS_FOLDER}/{one.sha256[:2]}/{one.sha256}")
