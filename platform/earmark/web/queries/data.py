"""Imports with what became of their files."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import Count

from earmark.corpus.models import Collection, Import, ImportFile
from earmark.jobs.models import Job


@dataclass(frozen=True)
class ImportRow:
    """One import, its job, and how many of its files ended how."""

    record: Import
    job: Job | None
    ingested: int
    duplicate: int
    failed: int

    @property
    def name(self) -> str:
        """What was brought in, as people know it: of an upload, the name it came by."""
        source = self.record.source
        is_upload = "/uploads/" in source and source.startswith(str(settings.EARMARK.var))
        return Path(source).name if is_upload else source

    @property
    def files(self) -> int:
        return self.ingested + self.duplicate + self.failed


def imports_of(collection: Collection, limit: int = 50, only: int | None = None) -> list[ImportRow]:
    """The newest imports, or the one with id `only`; three queries."""
    found = Import.objects.filter(collection=collection).select_related("created_by")
    records = list(found.filter(pk=only) if only is not None else found[:limit])
    ids = [one.pk for one in records]
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    rows = (
        ImportFile.objects.filter(of__in=ids)
        .values_list("of_id", "outcome")
        .annotate(n=Count("id"))
        .order_by()
    )
    for pk, outcome, n in rows:
        counts[pk][outcome] = n
    begun = Job.objects.filter(scope=collection.scope, kind="corpus.ingest", arguments__import_id__in=ids)
    jobs = {job.arguments["import_id"]: job for job in begun.order_by("id")}
    return [
        ImportRow(
            one,
            jobs.get(one.pk),
            *(counts[one.pk].get(name, 0) for name in ("ingested", "duplicate", "failed")),
        )
        for one in records
    ]


def reasons_of(one: Import) -> list[tuple[str, int]]:
    """Why files of the import failed: error ids with their counts, the most frequent first."""
    failed = one.files.filter(outcome=ImportFile.Outcome.FAILED).order_by()
    return list(failed.values_list("error_id").annotate(n=Count("id")).order_by("-n", "error_id"))
