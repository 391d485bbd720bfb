"""Freeze clips, references and sides as they are now: what training, evaluation and export read."""

import tempfile
from pathlib import Path
from typing import Any

from django.db import transaction

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection, Split
from earmark.datasets import manifests, selection
from earmark.datasets.leaks import refuse_test_material, refuse_trained_material, refuse_two_sides
from earmark.datasets.models import Snapshot
from earmark.speech.errors import EarmarkError


def test_set(collection: Collection) -> Snapshot | None:
    """The frozen test set of `collection`, or None before it is frozen."""
    return Snapshot.objects.filter(collection=collection, purpose=Snapshot.Purpose.TEST).first()


def freeze_test_set(*, collection: Collection, by: User | None) -> Snapshot:
    """Freeze every clip on the test side with a current reference: once, for good; later calls return that one.

    Raises EarmarkError `datasets:snapshot:empty` and `datasets:snapshot:leak`.
    """
    with transaction.atomic():
        _lock(collection)
        frozen = test_set(collection)
        if frozen:
            return frozen
        selection.choose(selection.labelled_test_clips(collection))
        refuse_two_sides(collection)
        refuse_trained_material(collection)
        return _freeze(collection, Snapshot.Purpose.TEST, by)


def take_snapshot(*, collection: Collection, by: User | None) -> Snapshot:
    """Freeze what a training may read: current references of train and dev, and the unlabelled clips of train.

    The same content is the same snapshot, whoever asks. Raises EarmarkError `datasets:snapshot:empty` when nothing
    is labelled on the train side, `datasets:snapshot:leak` when a speaker or a recording is on two sides or a clip,
    a speaker or a recording of the test set is among them.
    """
    with transaction.atomic():
        _lock(collection)
        selection.choose(selection.training_clips(collection))
        refuse_two_sides(collection)
        refuse_test_material(collection)
        return _freeze(collection, Snapshot.Purpose.TRAINING, by)


def _lock(collection: Collection) -> None:
    Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)


def _freeze(collection: Collection, purpose: Snapshot.Purpose, by: User | None) -> Snapshot:
    """Store the manifest of what is chosen, then the rows: a snapshot that is there has its manifest whole."""
    counts = selection.count()
    _refuse_unlabelled(collection, purpose, counts)
    with tempfile.TemporaryDirectory(prefix="earmark-snapshot-") as folder:
        path = Path(folder) / "manifest.jsonl"
        with path.open("wb") as file:
            digest = manifests.write(selection.manifest_rows(), file)
        manifests.store(path, digest)
    snapshot, created = Snapshot.objects.get_or_create(
        collection=collection,
        purpose=purpose,
        digest=digest,
        defaults={"counts": counts, "created_by": by},
    )
    if created:
        selection.copy_items(snapshot)
        audit(by, f"freeze {purpose} snapshot", collection.scope, digest=digest, clips=counts["clips"])
    return snapshot


def _refuse_unlabelled(collection: Collection, purpose: Snapshot.Purpose, counts: dict[str, Any]) -> None:
    side = Split.TEST if purpose == Snapshot.Purpose.TEST else Split.TRAIN
    if counts["splits"].get(side, {}).get("labelled_clips"):
        return
    raise EarmarkError(
        "datasets:snapshot:empty",
        f"No clip on the {side} side of {collection.slug} has a reference.",
        "Import transcripts for test speakers with the recordings."
        if side == Split.TEST
        else "Have clips labelled in a round, or import transcripts with the recordings.",
    )
