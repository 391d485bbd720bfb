"""Clips that sound alike: a copy that was encoded again, made louder or cut a little elsewhere."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from earmark.corpus.models import Clip, ClipFingerprint, Recording, Unfit
from earmark.speech.fingerprint import ALIKE

AT_ONCE = 500


@dataclass(frozen=True)
class Known:
    """A clip that others may be copies of."""

    clip: int
    recording: int
    hashes: frozenset[int]


def fingerprint(clips: Sequence[tuple[Clip, Sequence[int]]]) -> int:
    """Keep the hashes of new clips of one collection, and set near-duplicates among them aside; returns how many.

    A clip is a near-duplicate of the earliest current clip of another recording of its collection that shares enough
    hashes with it and is no near-duplicate itself. What was already unfit keeps its reason. Called in a transaction.
    """
    found = 0
    for first in range(0, len(clips), AT_ONCE):
        some = clips[first : first + AT_ONCE]
        made = [ClipFingerprint(clip=clip, hashes=list(hashes)) for clip, hashes in some if hashes]
        ClipFingerprint.objects.bulk_create(made)
        found += _set_aside(made)
    return found


def set_aside(clips: Sequence[int]) -> int:
    """Set near-duplicates among clips that were kept before aside, as `fingerprint` does; returns how many."""
    held = ClipFingerprint.objects.filter(clip__in=clips, clip__is_current=True)
    return _set_aside(list(held.select_related("clip").order_by("clip")))


def copies_of(recordings: QuerySet[Recording]) -> list[Clip]:
    """The clips of other recordings that are copies of clips of `recordings`, in the order of their ids."""
    of_theirs = Clip.objects.filter(duplicate_of__recording__in=recordings)
    return list(of_theirs.exclude(recording__in=recordings).select_for_update(of=("self",)).order_by("pk"))


def _set_aside(made: Sequence[ClipFingerprint]) -> int:
    if not made:
        return 0
    new = [Known(one.clip_id, one.clip.recording_id, frozenset(one.hashes)) for one in made]
    copies = copies_among(new, _alike(made))
    changed = [one.clip for one in made if one.clip_id in copies]
    for clip in changed:
        clip.duplicate_of_id = copies[clip.pk]
        clip.unfit, clip.is_fit = clip.unfit or Unfit.DUPLICATE, False
    Clip.objects.bulk_update(changed, ["duplicate_of", "unfit", "is_fit"])
    return len(changed)


def copies_among(new: Iterable[Known], known: Iterable[Known]) -> dict[int, int]:
    """The clips of `new` that are copies, and of which clip each is; both in the order of their ids.

    `known` holds every clip that shares a hash with one of `new`, these among them.
    """
    holders: dict[int, list[Known]] = {}
    for one in known:
        for value in one.hashes:
            holders.setdefault(value, []).append(one)
    found: dict[int, int] = {}
    for one in sorted(new, key=lambda each: each.clip):
        shared = Counter(
            other.clip
            for value in one.hashes
            for other in holders.get(value, ())
            if other.clip < one.clip and other.recording != one.recording and other.clip not in found
        )
        alike = [clip for clip, count in shared.items() if count >= ALIKE]
        if alike:
            found[one.clip] = min(alike)
    return found


def _alike(made: Sequence[ClipFingerprint]) -> list[Known]:
    """Every current clip of the collection that shares a hash with one of `made` and is no copy itself.

    By hash first and by clip after, in two queries: in one the planner, which knows nothing of how rarely hashes meet,
    begins with the collection's clips. For the same reason it must not read the whole table.
    """
    meeting = ClipFingerprint.objects.filter(hashes__overlap=[value for one in made for value in one.hashes])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        hashes = dict(meeting.values_list("clip_id", "hashes"))
        cursor.execute("SET LOCAL enable_seqscan = on")
    clips = Clip.objects.filter(
        pk__in=hashes, collection_id=made[0].clip.collection_id, is_current=True, duplicate_of=None
    )
    return [
        Known(clip, recording, frozenset(hashes[clip]))
        for clip, recording in clips.values_list("pk", "recording_id")
    ]
