"""Bring a folder of audio files in: list, know by content, decode, cut, keep, record. Killed anywhere, it goes on."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Count

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus import stored
from earmark.corpus.arrivals import Arrival, Duplicate, Hashed, Kept, Refused, hash_file, keep, shown
from earmark.corpus.listing import check_folder, list_files
from earmark.corpus.manifest import Row, read_manifest
from earmark.corpus.models import Collection, Import, ImportFile, Recording
from earmark.corpus.recording import brief, record
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.speech.decoding import Decoder

FILES_AT_ONCE = 64
BYTES_AT_ONCE = 64 << 20


@transaction.atomic
def submit_ingest(
    *, collection: Collection, source: Path, manifest: Path | None = None, by: User | None = None
) -> tuple[Import, Job]:
    """Ask for the audio files below `source` (and of `manifest`, where there is one) to be brought in.

    Raises EarmarkError `corpus:import:no-folder` or `corpus:manifest:...` at once, before anything is asked.
    """
    check_folder(source)
    if manifest is not None:
        read_manifest(manifest)
    made = Import.objects.create(
        collection=collection,
        source=shown(str(source.absolute())),
        options={"manifest": str(manifest.absolute())} if manifest else {},
        created_by=by,
    )
    job = submit(
        "corpus.ingest", scope=collection.scope, key=f"corpus.ingest:{made.pk}", by=by, import_id=made.pk
    )
    audit(by, "import", f"collection {collection.slug}", source=made.source)
    return made, job


def run_ingest(context: Context, *, import_id: int) -> dict[str, Any]:
    """Do an import, or what is left of it; returns how many files had which outcome."""
    made = Import.objects.select_related("collection", "created_by").get(pk=import_id)
    folder, manifest = Path(made.source), made.options.get("manifest")
    listed = list_files(folder, read_manifest(Path(manifest)) if manifest else None)
    Import.objects.filter(pk=made.pk).update(left_aside=listed.left_aside)
    stored.sweep_abandoned()

    seen = set(made.files.values_list("path", flat=True))
    waiting = [row for row in listed.rows if brief(shown(row.path)) not in seen]
    done, total = len(listed.rows) - len(waiting), len(listed.rows)
    with Decoder() as decoder:
        for files in _handfuls(folder, waiting):
            arrivals: list[Arrival] = []
            for arrival in _look_at(files, decoder, made.collection):
                arrivals.append(arrival)
                done += 1
                context.progress(done, total, shown(arrival.row.path))
            record(made, arrivals)
    return outcomes(made) | {"files": total, "left_aside": listed.left_aside}


def outcomes(made: Import) -> dict[str, int]:
    """How many files of the import had which outcome."""
    counted = dict(made.files.order_by().values_list("outcome").annotate(count=Count("pk")))
    return {outcome: counted.get(outcome, 0) for outcome in ImportFile.Outcome.values}


def _handfuls(folder: Path, rows: list[Row]) -> Iterator[list[Hashed | Refused]]:
    """Files, hashed, so many at a time that a kill costs seconds of work."""
    files: list[Hashed | Refused] = []
    size = 0
    for row in rows:
        file = hash_file(folder, row)
        files.append(file)
        size += file.bytes if isinstance(file, Hashed) else 0
        if len(files) >= FILES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield files
            files, size = [], 0
    if files:
        yield files


def _look_at(files: list[Hashed | Refused], decoder: Decoder, collection: Collection) -> Iterator[Arrival]:
    """What each file is. Bytes that the collection knows are not decoded again."""
    digests = [file.sha256 for file in files if isinstance(file, Hashed)]
    known = set(
        Recording.objects.filter(collection=collection, sha256__in=digests).values_list("sha256", flat=True)
    )
    new = [file for file in files if isinstance(file, Hashed) and file.sha256 not in known]
    paths = {file.row.path for file in new}
    with closing(decoder.probe_all((file.path, shown(file.row.path)) for file in new)) as probes:
        for file in files:
            if isinstance(file, Refused):
                yield file
                continue
            found = next(probes) if file.row.path in paths else None
            if found is None or file.sha256 in known:
                yield Duplicate(file.row, file.sha256)
                continue
            arrival = keep(file, found)
            if isinstance(arrival, Kept):
                known.add(file.sha256)
            yield arrival
