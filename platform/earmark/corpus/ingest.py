"""Bring audio in: list, know by content, hear, cut, keep, record. Killed anywhere, it goes on."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Count

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus import stored
from earmark.corpus.arrivals import Arrival, Duplicate, Hashed, Kept, Refused, hash_file, shown
from earmark.corpus.manifest import Row
from earmark.corpus.models import Collection, Import, ImportFile, Recording, Segmentation
from earmark.corpus.pieces import Asked
from earmark.corpus.recording import brief, record, refuse_undone
from earmark.corpus.resegmenting import cut_up_to_date
from earmark.corpus.segmentations import generation_of, newest_found
from earmark.corpus.sources import Options, RefusedFileError, Source, source_for
from earmark.corpus.surveying import Surveyors, in_order
from earmark.jobs.models import Job, Status
from earmark.jobs.registry import Context
from earmark.jobs.services import cancel, submit
from earmark.speech.segmentation import SegmentationSettings

FILES_AT_ONCE = 32
BYTES_AT_ONCE = 8 << 20


@transaction.atomic
def submit_ingest(
    *,
    collection: Collection,
    source: Path | str,
    layout: str = "",
    manifest: Path | None = None,
    speaker_from: str = "",
    channels: str = "mix",
    by: User | None = None,
) -> tuple[Import, Job]:
    """Ask for the audio of `source` (a folder, an archive, or `s3://bucket/prefix`) to be brought in.

    The options are those of `sources.Options`. Raises EarmarkError (`corpus:import:...`, `corpus:manifest:...`,
    `corpus:archive:...`, `corpus:bucket:...`) at once, before anything is asked.
    """
    place = str(source) if str(source).startswith("s3://") else str(Path(source).absolute())
    options = Options.asked(
        place, layout=layout, manifest=manifest, speaker_from=speaker_from, channels=channels
    ).as_json()
    with source_for(place, options) as opened:
        opened.check()
    made = Import.objects.create(collection=collection, source=shown(place), options=options, created_by=by)
    audit(by, "import", f"collection {collection.slug}", source=made.source)
    return made, submit_again(made, by=by)


def submit_again(made: Import, *, by: User | None, failed_too: bool = False) -> Job:
    """The job that does an import, or what is left of it; with `failed_too` it looks again at what failed."""
    again: dict[str, Any] = {"failed_too": True} if failed_too else {}
    job = submit(
        "corpus.ingest", scope=made.collection.scope, key=_key(made), by=by, import_id=made.pk, **again
    )
    if failed_too and not job.arguments.get("failed_too"):
        told = {"arguments": {**job.arguments, "failed_too": True}}
        Job.objects.filter(pk=job.pk, status=Status.QUEUED).update(**told)
        job.refresh_from_db()
    return job


def last_status(made: Import) -> str | None:
    """How the newest job of the import stands; None when there is none."""
    jobs = Job.objects.filter(scope=made.collection.scope, key=_key(made))
    return jobs.order_by("-id").values_list("status", flat=True).first()


def was_broken_off(made: Import) -> bool:
    """Whether the newest job of the import ended before every file had been looked at."""
    return last_status(made) in (Status.FAILED, Status.CANCELLED)


def call_off(made: Import) -> None:
    """Ask for the end of the job that does the import, if there is one."""
    for job in Job.objects.unfinished().filter(scope=made.collection.scope, key=_key(made)):
        cancel(job)


def _key(made: Import) -> str:
    return f"corpus.ingest:{made.pk}"


def run_ingest(context: Context, *, import_id: int, failed_too: bool = False) -> dict[str, Any]:
    """Do an import, or what is left of it; returns how many files had which outcome.

    With `failed_too` the files that failed are left, too: what is on record of them goes once the source is there.
    Raises EarmarkError `corpus:import:undone`.
    """
    made = Import.objects.select_related("collection", "created_by").get(pk=import_id)
    refuse_undone(made)
    stored.sweep_abandoned()
    asked = asked_of(made)
    with source_for(made.source, made.options) as source, Surveyors(asked) as surveyors:
        listed = source.rows()
        Import.objects.filter(pk=made.pk).update(left_aside=listed.left_aside)
        if failed_too:
            made.files.filter(outcome=ImportFile.Outcome.FAILED).delete()
        seen = set(made.files.values_list("path", flat=True))
        waiting = [row for row in listed.rows if brief(shown(row.path)) not in seen]
        done, total = len(listed.rows) - len(waiting), len(listed.rows)

        def look_up() -> None:
            latest = surveyors.latest
            context.progress(done, total, f"{latest.name}: {_clock(latest.seconds)}" if latest else "")

        begun = (
            (handful, surveyors.submit(handful.new))
            for handful in _handfuls(source, waiting, made.collection)
        )
        for handful, answers in in_order(begun, ahead=2 * surveyors.processes, waiting=look_up):
            record(made, handful.arrivals(answers), asked)
            handful.close()
            done += len(handful.files)
            context.progress(done, total, shown(handful.files[-1].row.path))
    cut_up_to_date(made)
    return outcomes(made) | {"files": total, "left_aside": listed.left_aside}


def asked_of(made: Import) -> Asked:
    """What the import asks of each file: its channels, and cutting as the collection's newest generation does."""
    with transaction.atomic():
        into = Collection.objects.select_for_update(no_key=True).get(pk=made.collection_id)
        newest = newest_found(into) or generation_of(
            into, Segmentation.Method.VOICE, SegmentationSettings().to_json()
        )
    settings = SegmentationSettings.from_json(newest.parameters)
    return Asked(Options.from_json(made.options).channels, settings)


def outcomes(made: Import) -> dict[str, int]:
    """How many files of the import had which outcome."""
    counted = dict(made.files.order_by().values_list("outcome").annotate(count=Count("pk")))
    return {outcome: counted.get(outcome, 0) for outcome in ImportFile.Outcome.values}


@dataclass
class Handful:
    """Files, open and hashed, so many at a time that a kill costs seconds of work. `new` are those to survey."""

    files: list[Hashed | Refused] = field(default_factory=list)
    new: list[Hashed] = field(default_factory=list)
    bytes: int = 0
    open: ExitStack = field(default_factory=ExitStack)

    def add(self, source: Source, row: Row) -> None:
        try:
            path = self.open.enter_context(source.opened(row))
        except RefusedFileError as error:
            self.files.append(Refused(row, error))
            return
        file = hash_file(path, row)
        self.files.append(file)
        self.bytes += file.bytes if isinstance(file, Hashed) else 0

    def leave_out(self, known: set[str]) -> None:
        """Whatever the collection knows, or came earlier in this handful, is not surveyed."""
        for file in self.files:
            if isinstance(file, Hashed) and file.sha256 not in known:
                known.add(file.sha256)
                self.new.append(file)

    def arrivals(self, answers: list[Kept | Refused]) -> list[Arrival]:
        """What each file is, in order, given the answers to `new`. The same bytes again fail as the first did."""
        said = {file.sha256: (file, answer) for file, answer in zip(self.new, answers, strict=True)}
        return [
            file if isinstance(file, Refused) else _arrival(file, *said.get(file.sha256, ()))
            for file in self.files
        ]

    @property
    def is_full(self) -> bool:
        return len(self.files) >= FILES_AT_ONCE or self.bytes >= BYTES_AT_ONCE

    def close(self) -> None:
        """Let go of the files: passing copies are gone."""
        self.open.close()


def _arrival(file: Hashed, first: Hashed | None = None, answer: Kept | Refused | None = None) -> Arrival:
    """What a file is, given the first of these bytes in its handful and what became of that one."""
    if answer is not None and file is first:
        return answer
    return (
        Refused(file.row, answer.error) if isinstance(answer, Refused) else Duplicate(file.row, file.sha256)
    )


def _handfuls(source: Source, rows: list[Row], collection: Collection) -> Iterator[Handful]:
    handful = Handful()
    for row in rows:
        handful.add(source, row)
        if handful.is_full:
            yield _looked_up(handful, collection)
            handful = Handful()
    if handful.files:
        yield _looked_up(handful, collection)


def _looked_up(handful: Handful, collection: Collection) -> Handful:
    digests = [file.sha256 for file in handful.files if isinstance(file, Hashed)]
    known = Recording.objects.filter(collection=collection, sha256__in=digests)
    handful.leave_out(set(known.values_list("sha256", flat=True)))
    return handful


def _clock(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{left:02}"
