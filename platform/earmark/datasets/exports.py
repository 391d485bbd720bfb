"""Write a snapshot's labelled set as one file to download: JSON lines, or a Hugging Face AudioFolder."""

import json
import secrets
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus import stored
from earmark.corpus.samples import samples_of
from earmark.datasets.audiofolder import AudioFolder
from earmark.datasets.models import Export, Snapshot, SnapshotItem
from earmark.jobs.models import UNFINISHED
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.speech.errors import EarmarkError

SUFFIXES = {Export.Format.JSONL: "jsonl", Export.Format.AUDIOFOLDER: "zip"}
FETCHED = 500
"""Items read from the database, and clips read from storage, at a time."""


def request_export(*, snapshot: Snapshot, format: str, by: User | None) -> Export:
    """Queue the writing of `snapshot`'s labelled set; one that is being written already is returned instead.

    Raises EarmarkError `datasets:export:format`.
    """
    if format not in Export.Format.values:
        raise EarmarkError(
            "datasets:export:format",
            f"There is no export format {format!r}.",
            f"Choose one of {', '.join(Export.Format.values)}.",
        )
    with transaction.atomic():
        Snapshot.objects.select_for_update(no_key=True).get(pk=snapshot.pk)
        begun = Export.objects.filter(snapshot=snapshot, format=format, job__status__in=UNFINISHED).first()
        if begun:
            return begun
        export = Export.objects.create(snapshot=snapshot, format=format, created_by=by)
        export.job = submit(
            "datasets.export",
            scope=snapshot.collection.scope,
            key=f"export:{export.pk}",
            by=by,
            export_id=export.pk,
        )
        export.save(update_fields=["job"])
        audit(by, "request export", snapshot.collection.scope, digest=snapshot.digest, format=str(format))
    return export


def write_export(context: Context, export: Export) -> Export:
    """Write the file of `export` aside, then keep it in the default storage; a written one is left alone.

    Raises what `context.progress` raises, and the EarmarkErrors of reading audio: a clip is never left out silently.
    """
    if export.file.name and export.file.storage.exists(export.file.name):
        return export
    work = settings.EARMARK.var / "exports"
    work.mkdir(parents=True, exist_ok=True)
    suffix = SUFFIXES[Export.Format(export.format)]
    for stale in work.glob(f"{export.pk}-*.part"):
        stale.unlink(missing_ok=True)
    part = work / f"{export.pk}-{secrets.token_hex(4)}.part"
    try:
        WRITERS[Export.Format(export.format)](context, export.snapshot, part)
        _keep(export, part, suffix)
    finally:
        part.unlink(missing_ok=True)
    return export


def _keep(export: Export, part: Path, suffix: str) -> None:
    """Store the file under its content, then say so in the row; the first to say so wins."""
    digest = stored.sha256_of(part)
    name = f"exports/{digest}.{suffix}"
    stored.keep_file(name, part, sha256=digest)
    Export.objects.filter(pk=export.pk, file=export.file.name or "").update(file=name)
    export.refresh_from_db(fields=["file"])


def labelled_items(snapshot: Snapshot) -> Iterator[SnapshotItem]:
    """Every item with a text, in the order of clip ids, streamed."""
    related = ("clip__recording", "clip__speaker", "reference")
    items = snapshot.items.filter(text__isnull=False).select_related(*related).order_by("clip_id")
    return items.iterator(chunk_size=FETCHED)


def describe(item: SnapshotItem) -> dict[str, Any]:
    """What an export says of one clip. `path` is the recording's below the folder it was imported from."""
    clip, reference = item.clip, item.reference
    return {
        "id": clip.pk,
        "text": item.text,
        "path": clip.recording.name,
        "recording_sha256": clip.recording.sha256,
        "start": clip.start,
        "seconds": clip.seconds,
        "split": item.split,
        "language": clip.language,
        "dialect": clip.dialect,
        "speaker": clip.speaker.name if clip.speaker else "",
        "licence": clip.recording.licence,
        "reference_kind": reference.kind if reference else "",
        "reference_version": reference.version if reference else 0,
    }


def _write_jsonl(context: Context, snapshot: Snapshot, path: Path) -> None:
    total = snapshot.counts["labelled_clips"]
    with path.open("w", encoding="utf-8") as file:
        for done, item in enumerate(labelled_items(snapshot), start=1):
            file.write(json.dumps(describe(item), ensure_ascii=False) + "\n")
            if done % FETCHED == 0:
                context.progress(done, total)
    context.progress(total, total)


def _write_audiofolder(context: Context, snapshot: Snapshot, path: Path) -> None:
    total = snapshot.counts["labelled_clips"]
    done = 0
    with AudioFolder(path, about=_about(snapshot)) as folder:
        items = labelled_items(snapshot)
        while chunk := {item.clip_id: item for item in islice(items, FETCHED)}:
            for clip_id, samples in samples_of([item.clip for item in chunk.values()]):
                folder.add(describe(chunk.pop(clip_id)), samples)
                done += 1
                context.progress(done, total)
            _refuse_missing(chunk)


def _refuse_missing(items: dict[int, SnapshotItem]) -> None:
    if items:
        raise EarmarkError(
            "datasets:export:unread",
            f"{len(items)} clips gave no audio, among them clip {min(items)}.",
            "See whether their recordings are still in the storage, then ask for the export again.",
        )


def _about(snapshot: Snapshot) -> str:
    counts = snapshot.counts
    return (
        f"# {snapshot.collection.name}\n\n"
        f"{counts['labelled_clips']} labelled clips, {counts['labelled_seconds']} s of speech.\n\n"
        f"Earmark snapshot ({snapshot.purpose}) with SHA-256 {snapshot.digest}.\n"
        "Each clip's licence is in the `licence` column of its `metadata.jsonl`.\n"
    )


WRITERS: dict[Export.Format, Callable[[Context, Snapshot, Path], None]] = {
    Export.Format.JSONL: _write_jsonl,
    Export.Format.AUDIOFOLDER: _write_audiofolder,
}
