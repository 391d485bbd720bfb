"""Which clips go into a snapshot, held still in a temporary table while they are checked, hashed and copied.

One statement chooses them, so they are as they were at one moment, and a million of them never pass through memory.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import F, FilteredRelation, Q, QuerySet

from earmark.corpus.models import Clip, Collection, Split
from earmark.corpus.queries import shared_sound, usable
from earmark.datasets.models import Snapshot, SnapshotItem

TABLE = "pg_temp.datasets_chosen"
COLUMNS = {
    "clip_id": "pk",
    "split": "split",
    "reference_id": "current__pk",
    "text": "current__text",
    "recording": "recording__sha256",
    "start": "start",
    "seconds": "seconds",
    "language": "language",
    "dialect": "dialect",
    "speaker_id": "speaker_id",
    "speaker": "speaker__name",
}
MANIFEST_KEYS = ("recording", "start", "seconds", "split", "text", "language", "dialect", "speaker")
"""What a line of the manifest says. No row ids: the digest is of content alone."""
POOL_STATES = (Clip.State.NEW, Clip.State.HEARD, Clip.State.IN_ROUND, Clip.State.SKIPPED)
"""States of the clips that train without a reference: what no person understood teaches nothing."""
FETCHED = 2_000


def labelled_test_clips(collection: Collection) -> QuerySet[Clip]:
    """Every clip on the test side with a current reference and a sound of its own."""
    return _with_reference(collection).filter(~shared_sound() & Q(current__isnull=False, split=Split.TEST))


def training_clips(collection: Collection) -> QuerySet[Clip]:
    """The labelled clips of the train and dev sides, and the usable unlabelled ones of the train side.

    What a person labelled stays, whatever the gate says of its quality and whether or not it is still cut that way.
    """
    labelled = ~shared_sound() & Q(current__isnull=False, split__in=(Split.TRAIN, Split.DEV))
    unlabelled = usable() & Q(current__isnull=True, split=Split.TRAIN, state__in=POOL_STATES)
    return _with_reference(collection).filter(labelled | unlabelled)


def _with_reference(collection: Collection) -> QuerySet[Clip]:
    current = FilteredRelation("references", condition=Q(references__is_current=True))
    return Clip.objects.filter(collection=collection).annotate(current=current)


def choose(clips: QuerySet[Clip]) -> None:
    """Hold `clips` still until the end of the transaction this is called in."""
    sql, params = clips.values_list(*map(F, COLUMNS.values())).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        cursor.execute(
            f"CREATE TEMPORARY TABLE {_bare(TABLE)} ({_columns()}) ON COMMIT DROP AS {sql}", params
        )
        cursor.execute(f"ANALYZE {TABLE}")


def manifest_rows() -> Iterator[dict[str, Any]]:
    """What the manifest says of each chosen clip, in the order of clip ids."""
    keys = ", ".join(f'"{key}"' for key in MANIFEST_KEYS)
    with connection.chunked_cursor() as cursor:
        cursor.execute(f"SELECT {keys} FROM {TABLE} ORDER BY clip_id")
        while rows := cursor.fetchmany(FETCHED):
            for row in rows:
                yield dict(zip(MANIFEST_KEYS, row, strict=True))


def copy_items(snapshot: Snapshot) -> None:
    """Make the chosen clips the items of `snapshot`."""
    columns = "clip_id, split, reference_id, text"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {SnapshotItem._meta.db_table} (snapshot_id, {columns})"
            f" SELECT %s, {columns} FROM {TABLE} ORDER BY clip_id",
            [snapshot.pk],
        )


def count() -> dict[str, Any]:
    """Clips and seconds of what is chosen, and of them the labelled: all, by split, by language, by dialect."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT split, language, dialect, text IS NOT NULL, count(*), sum(seconds) FROM {TABLE}"
            " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )
        groups = cursor.fetchall()
    counts = _measure(groups)
    for name, column in (("splits", 0), ("languages", 1), ("dialects", 2)):
        values = sorted({group[column] for group in groups} - {""})
        counts[name] = {
            value: _measure([group for group in groups if group[column] == value]) for value in values
        }
    return counts


def shared_with(items: QuerySet[SnapshotItem], column: str) -> str | None:
    """A `column` (`clip_id`, `speaker_id`, `recording`) of a chosen clip that is also in `items`, in words."""
    there = items.values_list(
        {"clip_id": "clip_id", "speaker_id": "clip__speaker_id", "recording": "clip__recording__sha256"}[
            column
        ]
    )
    sql, params = there.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT clip_id, speaker, recording FROM {TABLE} WHERE {column} IN ({sql}) ORDER BY clip_id LIMIT 1",
            params,
        )
        row = cursor.fetchone()
    if row is None:
        return None
    clip, speaker, recording = row
    return {
        "clip_id": f"clip {clip}",
        "speaker_id": f"speaker {speaker!r}",
        "recording": f"the recording with SHA-256 {recording}",
    }[column]


def _measure(groups: list[Any]) -> dict[str, Any]:
    labelled = [group for group in groups if group[3]]
    return {
        "clips": sum(group[4] for group in groups),
        "seconds": round(sum(group[5] for group in groups), 3),
        "labelled_clips": sum(group[4] for group in labelled),
        "labelled_seconds": round(sum(group[5] for group in labelled), 3),
    }


def _bare(table: str) -> str:
    return table.removeprefix("pg_temp.")


def _columns() -> str:
    return ", ".join(f'"{column}"' for column in COLUMNS)
