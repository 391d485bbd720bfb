"""Clips that sound alike: a copy that was encoded again, made louder or cut a little elsewhere."""

from collections.abc import Sequence

from django.db import connection

from earmark.corpus.models import Clip, ClipFingerprint, Unfit
from earmark.speech.fingerprint import HASHES

SHARED = 5
"""Hashes of 24 that two clips must share to be held for the same sound."""


def fingerprint(clips: Sequence[tuple[Clip, Sequence[int]]]) -> int:
    """Keep the hashes of new clips and set the near-duplicates among them aside; returns how many there are.

    A clip is a near-duplicate of the earliest current clip of its collection that shares enough hashes with it and is
    no near-duplicate itself. What was already unfit keeps its reason.
    """
    made = [ClipFingerprint(clip=clip, hashes=list(hashes)) for clip, hashes in clips if hashes]
    ClipFingerprint.objects.bulk_create(made)
    if not made:
        return 0
    clip, own = Clip._meta.db_table, ClipFingerprint._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH alike AS (
                SELECT DISTINCT ON (new.clip_id) new.clip_id AS copy, old.clip_id AS original
                FROM {own} new
                JOIN {clip} newer ON newer.id = new.clip_id
                JOIN {own} old ON old.hashes && new.hashes AND old.clip_id < new.clip_id
                JOIN {clip} older ON older.id = old.clip_id
                WHERE new.clip_id = ANY(%s)
                    AND older.collection_id = newer.collection_id AND older.is_current
                    AND older.recording_id <> newer.recording_id
                    AND older.duplicate_of_id IS NULL
                    AND cardinality(ARRAY(SELECT unnest(new.hashes) INTERSECT SELECT unnest(old.hashes))) >= %s
                ORDER BY new.clip_id, old.clip_id
            )
            UPDATE {clip} SET
                duplicate_of_id = alike.original,
                unfit = CASE WHEN unfit = '' THEN %s ELSE unfit END,
                is_fit = false
            FROM alike WHERE id = alike.copy
            """,
            [[one.clip_id for one in made], SHARED, Unfit.DUPLICATE],
        )
        return cursor.rowcount


assert SHARED < HASHES
