"""What a snapshot holds, or would hold if it were taken now, and what stands against training on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Case, CharField, Count, Max, Q, Sum, Value, When

from earmark.corpus import stored
from earmark.corpus.models import Clip, Collection, Split
from earmark.datasets import selection
from earmark.datasets.leaks import refuse_test_material, refuse_two_sides
from earmark.datasets.models import Snapshot
from earmark.speech.errors import EarmarkError

SAMPLED = 16
"""Recordings whose audio is looked for: each may be a question to a bucket."""
_SAID = "text IS NOT NULL AND text <> ''"


@dataclass(frozen=True)
class Side:
    """Clips of one use: how many, how long together, the longest; seconds of audio."""

    clips: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True)
class Preview:
    """What a training reads: labelled and unlabelled clips to learn from, dev clips to judge by; `faults` forbid it."""

    labelled: Side
    unlabelled: Side
    dev: Side
    faults: tuple[EarmarkError, ...]

    @property
    def seconds(self) -> float:
        """All audio together."""
        return self.labelled.seconds + self.unlabelled.seconds + self.dev.seconds

    @property
    def longest(self) -> float:
        """Seconds of the longest clip."""
        return max(self.labelled.longest, self.unlabelled.longest, self.dev.longest)


def preview(collection: Collection) -> Preview:
    """What `snapshots.take_snapshot` would freeze now. Nothing is kept."""
    with transaction.atomic():
        selection.choose(selection.training_clips(collection))
        sides = _chosen_sides()
        checks: tuple[Callable[[], None], ...] = (
            lambda: _refuse_empty(collection, sides.get("labelled")),
            lambda: refuse_two_sides(collection),
            lambda: refuse_test_material(collection),
            lambda: _refuse_missing(_chosen_sample()),
        )
        faults = _faults(checks)
        transaction.set_rollback(True)
    return _preview(sides, faults)


def preview_of(snapshot: Snapshot) -> Preview:
    """What `snapshot` holds. That it leaks nothing was seen to when it was frozen."""
    use = Case(
        When(split=Split.TRAIN, text=None, then=Value("unlabelled")),
        When(~Q(text=""), split=Split.TRAIN, then=Value("labelled")),
        When(~Q(text="") & Q(text__isnull=False), split=Split.DEV, then=Value("dev")),
        default=Value(""),
        output_field=CharField(),
    )
    rows = (
        snapshot.items.annotate(use=use)
        .values_list("use")
        .annotate(clips=Count("pk"), seconds=Sum("clip__seconds"), longest=Max("clip__seconds"))
    )
    sides = {name: Side(*figures) for name, *figures in rows}
    some = list(
        snapshot.items.order_by("clip__recording__sha256").values_list("clip_id", flat=True)[:SAMPLED]
    )
    checks: tuple[Callable[[], None], ...] = (
        lambda: _refuse_empty(snapshot.collection, sides.get("labelled")),
        lambda: _refuse_missing(some),
    )
    return _preview(sides, _faults(checks))


def _preview(sides: dict[str, Side], faults: tuple[EarmarkError, ...]) -> Preview:
    labelled, unlabelled, dev = (sides.get(name, Side()) for name in ("labelled", "unlabelled", "dev"))
    return Preview(labelled, unlabelled, dev, faults)


def _chosen_sides() -> dict[str, Side]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN split = %s AND text IS NULL THEN 'unlabelled'"
            f" WHEN split = %s AND {_SAID} THEN 'labelled' WHEN split = %s AND {_SAID} THEN 'dev' ELSE '' END,"
            " count(*), sum(seconds), max(seconds)"
            f" FROM {selection.TABLE} GROUP BY 1",
            [Split.TRAIN, Split.TRAIN, Split.DEV],
        )
        return {name: Side(*figures) for name, *figures in cursor.fetchall()}


def _chosen_sample() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT clip_id FROM {selection.TABLE} ORDER BY recording LIMIT {SAMPLED}")
        return [pk for (pk,) in cursor.fetchall()]


def _faults(checks: Iterable[Callable[[], None]]) -> tuple[EarmarkError, ...]:
    found = []
    for check in checks:
        try:
            check()
        except EarmarkError as error:
            found.append(error)
    return tuple(found)


def _refuse_empty(collection: Collection, labelled: Side | None) -> None:
    if labelled is None or not labelled.clips:
        raise EarmarkError(
            "datasets:snapshot:empty",
            f"No clip on the train side of {collection.slug} has a reference with words.",
            "Have clips labelled in a round, or import transcripts with the recordings.",
        )


def _refuse_missing(clips: list[int]) -> None:
    """Raise EarmarkError `corpus:audio:missing` where the audio of one of these clips is gone."""
    names = dict(Clip.objects.filter(pk__in=clips).values_list("recording__file", "recording__name"))
    gone = [name for file, name in names.items() if stored.size(file) is None]
    if gone:
        raise EarmarkError(
            "corpus:audio:missing",
            f"The audio of {len(gone)} of {len(names)} recordings that were looked for is not in the storage, among "
            f"them {gone[0]!r}.",
            "Bring the recordings in again, or put the storage (EARMARK_MEDIA) back.",
        )
