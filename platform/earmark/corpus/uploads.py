"""Receive files piece by piece, whatever breaks off in between, and make them an import once all are there.

The row says how much of a file is on the disk, and is written after the bytes: what a killed process wrote beyond it
is written again. Every piece is taken under a lock on the row, so two senders of one file cannot mix.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.corpus.ingest import submit_ingest, was_broken_off
from earmark.corpus.models import Collection, Import, ImportFile, Upload, UploadBatch
from earmark.corpus.sources.archives import is_archive
from earmark.jobs.models import Job
from earmark.speech.errors import EarmarkError

BLOCK = 4 << 20
KEPT_FOR = timedelta(days=7)
MOST_FILES = 20_000
LONGEST_PATH = 1000
LONGEST_NAME_BYTES = 200
DEEPEST = 16
LARGEST = 1 << 40
FULL = (errno.ENOSPC, errno.EDQUOT)


def open_batch(*, collection: Collection, by: User) -> UploadBatch:
    """What the person is uploading to the collection; an empty one when they are not."""
    batch, _new = UploadBatch.objects.get_or_create(collection=collection, created_by=by, is_open=True)
    return batch


def home_of(batch: UploadBatch) -> Path:
    """The folder of the batch: `parts` by id, and once all are there, `upload` by path."""
    return settings.EARMARK.var / "uploads" / batch.pk.hex


def part_of(upload: Upload) -> Path:
    """Where the bytes of one file are while they come. What the browser calls it is no part of that."""
    return home_of(upload.batch) / "parts" / upload.pk.hex


def expires_at(upload: Upload) -> datetime:
    """When an upload that nobody goes on with is given up."""
    return upload.touched_at + KEPT_FOR


@transaction.atomic
def begin(*, batch: UploadBatch, path: str, length: int, modified: int = 0) -> Upload:
    """Expect a file of `length` bytes; one of the same path in the batch is replaced by it.

    Raises EarmarkError `corpus:upload:path`, `corpus:upload:too-large`, `corpus:upload:too-many`,
    `corpus:upload:closed`, and `corpus:upload:quota` or `corpus:upload:no-space` where there is no room.
    """
    check_path(path)
    if not 0 <= length <= LARGEST:
        raise EarmarkError(
            "corpus:upload:too-large",
            _("{path} has {length} bytes.").format(path=repr(path), length=length),
            _("Send files of at most {most} bytes.").format(most=LARGEST),
        )
    _lock_open(batch)
    for earlier in batch.uploads.filter(path=path):
        _drop(earlier)
    if batch.uploads.count() >= MOST_FILES:
        raise EarmarkError(
            "corpus:upload:too-many",
            _("One upload takes at most {most} files.").format(most=MOST_FILES),
            _("Pack them into one zip or tar archive, or upload and import them in parts."),
        )
    _check_room(batch.collection, length)
    upload = Upload.objects.create(batch=batch, path=path, length=length, modified=modified)
    part_of(upload).parent.mkdir(parents=True, exist_ok=True)
    part_of(upload).touch()
    return upload


def receive(upload_id: UUID, *, offset: int, read: Callable[[int], bytes]) -> Upload:
    """Take what `read` gives, until it gives nothing, as the bytes from `offset` on.

    Each block of 4 MiB is on the disk, and the row says so, before the next is read: what comes is never lost twice.
    Raises EarmarkError `corpus:upload:unknown`, `corpus:upload:offset`, `corpus:upload:too-long`,
    `corpus:upload:no-space`.
    """
    upload = _take(upload_id, offset, b"")
    while block := read(BLOCK):
        upload = _take(upload_id, upload.offset, block)
    return upload


@transaction.atomic
def _take(upload_id: UUID, offset: int, block: bytes) -> Upload:
    upload = (
        Upload.objects.select_for_update(of=("self",), no_key=True)
        .select_related("batch")
        .filter(pk=upload_id, batch__is_open=True)
        .first()
    )
    if upload is None:
        raise EarmarkError(
            "corpus:upload:unknown",
            _("This upload is no longer expected."),
            _("It was given up, replaced or imported: begin it again."),
        )
    if upload.offset != offset:
        raise EarmarkError(
            "corpus:upload:offset",
            _("{path} goes on at byte {here}, not at {there}.").format(
                path=repr(upload.path), here=upload.offset, there=offset
            ),
            _("Ask how much is there, and send the rest."),
        )
    if offset + len(block) > upload.length:
        raise EarmarkError(
            "corpus:upload:too-long",
            _("{path} was to have {length} bytes, and more came.").format(
                path=repr(upload.path), length=upload.length
            ),
            _("Begin it again with the length it has."),
        )
    if block:
        _write(part_of(upload), block, offset)
        upload.offset, upload.touched_at = offset + len(block), timezone.now()
        upload.save(update_fields=["offset", "touched_at"])
    return upload


def _write(part: Path, block: bytes, offset: int) -> None:
    """`block` at `offset` of the file, down to the disk."""
    try:
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            left = memoryview(block)
            while left:
                written = os.pwrite(file, left, offset)
                left, offset = left[written:], offset + written
            os.fdatasync(file)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno in FULL:
            raise no_space() from error
        raise


@transaction.atomic
def terminate(upload: Upload) -> None:
    """Give one file up."""
    _lock_open(upload.batch)
    _drop(upload)


@transaction.atomic
def give_up(batch: UploadBatch) -> None:
    """Give up all that has come."""
    _lock_open(batch)
    home = home_of(batch)
    batch.delete()
    transaction.on_commit(lambda: shutil.rmtree(home, ignore_errors=True))


@transaction.atomic
def submit_batch(
    *,
    batch: UploadBatch,
    by: User,
    manifest: str = "",
    layout: str = "",
    speaker_from: str = "",
    channels: str = "mix",
) -> tuple[Import, Job]:
    """Make an import of a complete batch; `manifest` is the path of one of its files. All of it happens, or nothing.

    A batch that is one archive is imported as an archive. Raises EarmarkError `corpus:upload:empty`,
    `corpus:upload:unfinished`, `corpus:upload:manifest`, `corpus:upload:mixed`, `corpus:upload:path` for a path that
    is a file and a folder at once, `corpus:upload:lost`, and what `submit_ingest` raises.
    """
    _lock_open(batch)
    uploads = list(batch.uploads.select_related("batch"))
    _check_complete(uploads)
    paths = [upload.path for upload in uploads]
    if manifest and manifest not in paths:
        raise EarmarkError(
            "corpus:upload:manifest",
            _("The manifest {path} was not uploaded.").format(path=repr(manifest)),
            _("Upload it with the audio, and name it by its path there."),
        )
    folder = _arranged(batch, uploads)
    made, job = submit_ingest(
        collection=batch.collection,
        source=folder / _root_of([path for path in paths if path != manifest]),
        manifest=folder / manifest if manifest else None,
        layout=layout,
        speaker_from=speaker_from,
        channels=channels,
        by=by,
    )
    batch.is_open, batch.made = False, made
    batch.save(update_fields=["is_open", "made"])
    return made, job


def _arranged(batch: UploadBatch, uploads: Iterable[Upload]) -> Path:
    """A folder in which each file lies under its own path. Raises EarmarkError `corpus:upload:lost`."""
    folder = home_of(batch) / "upload"
    shutil.rmtree(folder, ignore_errors=True)
    for upload in uploads:
        part, place = part_of(upload), folder / check_path(upload.path)
        if not part.is_file() or part.stat().st_size != upload.length:
            raise EarmarkError(
                "corpus:upload:lost",
                _("{path} was received and is no longer there.").format(path=repr(upload.path)),
                _("Something else cleared EARMARK_VAR. Remove the file from the upload and send it again."),
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(part)
    return folder


def _root_of(paths: Sequence[str]) -> str:
    """What is imported: the one archive, the one folder that holds everything, or all there is.

    Raises EarmarkError `corpus:upload:mixed` for an archive that did not come by itself.
    """
    if any(is_archive(path) for path in paths):
        if len(paths) == 1:
            return paths[0]
        raise EarmarkError(
            "corpus:upload:mixed",
            _("An archive came together with other files."),
            _("Import an archive by itself, at most with its manifest; remove the other files."),
        )
    tops = {path.split("/")[0] for path in paths}
    return tops.pop() if len(tops) == 1 and all("/" in path for path in paths) else ""


def _check_complete(uploads: Iterable[Upload]) -> None:
    paths = {one.path for one in uploads}
    if not paths:
        raise EarmarkError("corpus:upload:empty", _("Nothing was uploaded."), _("Choose files first."))
    missing = [one for one in uploads if one.offset < one.length]
    if missing:
        raise EarmarkError(
            "corpus:upload:unfinished",
            _("{count} files are not there yet, {path} among them.").format(
                count=len(missing), path=repr(missing[0].path)
            ),
            _("Choose the same files again: each goes on where it stopped. Or remove those you do not want."),
        )
    for path in paths:
        for parent in PurePosixPath(path).parents:
            if str(parent) in paths:
                raise _bad_path(path, _("lies in a folder that is called like another file"))


def check_path(path: str) -> str:
    """`path`, if it is names with slashes between them and leads nowhere else. Raises `corpus:upload:path`."""
    names = path.split("/")
    if len(path) > LONGEST_PATH or len(names) > DEEPEST:
        raise _bad_path(path, _("is too long or too deep"))
    for name in names:
        if name in {"", ".", ".."} or len(name.encode(errors="surrogatepass")) > LONGEST_NAME_BYTES:
            raise _bad_path(path, _("is no plain path"))
        if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 or letter == "\\" for letter in name):
            raise _bad_path(path, _("has a character that no name may have"))
    return path


def _bad_path(path: str, why: str) -> EarmarkError:
    shown = path.encode("ascii", "backslashreplace").decode()[:200] if not path.isprintable() else path[:200]
    return EarmarkError(
        "corpus:upload:path",
        _("{path} {why}.").format(path=repr(shown), why=why),
        _("Send relative paths with slashes, each name at most 200 bytes."),
    )


def _lock_open(batch: UploadBatch) -> None:
    """Wait for whoever changes the batch. Raises EarmarkError `corpus:upload:closed` when it is no longer open."""
    if not UploadBatch.objects.select_for_update(no_key=True).filter(pk=batch.pk, is_open=True).exists():
        raise EarmarkError(
            "corpus:upload:closed",
            _("This upload has become an import, or was given up."),
            _("Open the page again and begin another."),
        )


def _drop(upload: Upload) -> None:
    part = part_of(upload)
    Upload.objects.filter(pk=upload.pk).delete()
    transaction.on_commit(lambda: part.unlink(missing_ok=True))


def _check_room(collection: Collection, length: int) -> None:
    """Raise unless a file of `length` bytes fits the collection's quota and the disk, beside all that is promised."""
    waiting = Upload.objects.filter(batch__collection=collection).aggregate(all=Sum("length"))["all"] or 0
    if waiting + length > settings.EARMARK.upload_quota_bytes:
        raise EarmarkError(
            "corpus:upload:quota",
            _(
                "The uploads that wait in this collection would take {bytes} bytes; the most is {most}."
            ).format(bytes=waiting + length, most=settings.EARMARK.upload_quota_bytes),
            _("Import or give up what is there, or ask the operator to raise EARMARK_UPLOAD_QUOTA_GB."),
        )
    settings.EARMARK.var.mkdir(parents=True, exist_ok=True)
    expected = Upload.objects.filter(batch__is_open=True).aggregate(left=Sum(F("length") - F("offset")))[
        "left"
    ]
    free = shutil.disk_usage(settings.EARMARK.var).free - (expected or 0)
    if free - length < settings.EARMARK.keep_free_bytes:
        raise no_space()


def no_space() -> EarmarkError:
    """There is no room on the disk of EARMARK_VAR."""
    return EarmarkError(
        "corpus:upload:no-space",
        _("The server has no room for more uploads."),
        _("What has come is kept. Ask the operator to make room where EARMARK_VAR is, then go on."),
    )


def sweep(now: datetime | None = None) -> int:
    """Clear away batches nobody goes on with, and those whose import is done; returns how many.

    Where files of an import failed, or its job did, they are kept as long as an unfinished upload is, so that they can
    be retried.
    """
    before = (now or timezone.now()) - KEPT_FOR
    stale = UploadBatch.objects.annotate(last=Max("uploads__touched_at")).filter(
        Q(last__lt=before) | Q(last=None), created_at__lt=before
    )
    done = UploadBatch.objects.filter(is_open=False)
    swept = 0
    for batch in {*stale, *done}:
        if batch.made is not None and not _is_read(batch.made, is_stale=batch in stale):
            continue
        if not batch.is_open or batch in stale:
            home = home_of(batch)
            batch.delete()
            shutil.rmtree(home, ignore_errors=True)
            swept += 1
    return swept


def _is_read(made: Import, *, is_stale: bool) -> bool:
    """Whether no job reads the import's files any more, nor would one that is asked to try again."""
    if Job.objects.unfinished().filter(arguments__import_id=made.pk).exists():
        return False
    if is_stale or made.undone_at is not None:
        return True
    return not (was_broken_off(made) or made.files.filter(outcome=ImportFile.Outcome.FAILED).exists())
