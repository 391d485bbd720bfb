"""No voice and no sound on two sides, and nothing of the test set in what a model trains on."""

from django.db.models import F, Max, Min, QuerySet

from earmark.corpus.models import Clip, Collection
from earmark.corpus.queries import shared_sound
from earmark.datasets.models import Snapshot, SnapshotItem
from earmark.datasets.selection import shared_with
from earmark.speech.errors import EarmarkError

SHARED = ("clip_id", "speaker_id", "recording")


def refuse_two_sides(collection: Collection) -> None:
    """Raise EarmarkError `datasets:snapshot:leak` when a speaker, a recording or a copied sound is on two sides.

    Clips that were set aside for that very reason do not count.
    """
    taken = Clip.objects.filter(~shared_sound(), collection=collection)
    for what, key in (("Speaker", "speaker__name"), ("Recording", "recording__name")):
        identity = key.split("__")[0]
        row = (
            taken.filter(**{f"{identity}__isnull": False})
            .values(identity, name=F(key))
            .annotate(one=Min("split"), other=Max("split"))
            .exclude(one=F("other"))
            .order_by(identity)
            .first()
        )
        if row:
            raise _leak(f"{what} {row['name']!r} has clips on the {row['one']} and the {row['other']} side.")
    copy = taken.filter(duplicate_of__isnull=False).exclude(split=F("duplicate_of__split")).first()
    if copy:
        raise _leak(f"Clip {copy.pk} sounds like clip {copy.duplicate_of_id}, which is on another side.")


def refuse_test_material(collection: Collection) -> None:
    """Raise EarmarkError `datasets:snapshot:leak` when a chosen clip, its voice or its sound is in the test set."""
    items = _items(collection, Snapshot.Purpose.TEST)
    for column in SHARED:
        if culprit := shared_with(items, column):
            raise _leak(f"The test set and the clips to train on share {culprit}.")


def refuse_trained_material(collection: Collection) -> None:
    """Raise EarmarkError `datasets:snapshot:leak` when a chosen clip, its voice or its sound was trained on."""
    items = _items(collection, Snapshot.Purpose.TRAINING)
    for column in SHARED:
        if culprit := shared_with(items, column):
            raise _leak(f"An earlier training snapshot and the clips to test on share {culprit}.")


def _items(collection: Collection, purpose: Snapshot.Purpose) -> QuerySet[SnapshotItem]:
    return SnapshotItem.objects.filter(snapshot__collection=collection, snapshot__purpose=purpose)


def _leak(message: str) -> EarmarkError:
    return EarmarkError(
        "datasets:snapshot:leak",
        message,
        "A manager puts every clip of a speaker and of a recording on one side, "
        "or takes them out of the collection; nothing was frozen.",
    )
