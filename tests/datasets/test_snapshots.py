"""A snapshot is its content, is never changed, and never lets the test set into training."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest
from django.db import DatabaseError, connection, transaction

from earmark.accounts.models import AuditEntry
from earmark.corpus.models import Clip, Collection, Reference, Speaker
from earmark.datasets import snapshots
from earmark.datasets.manifests import open_manifest
from earmark.datasets.models import Snapshot, SnapshotItem
from earmark.datasets.snapshots import freeze_test_set, take_snapshot
from earmark.speech.errors import EarmarkError
from tests.recognition.world import make_clip, make_collection

pytestmark = pytest.mark.django_db


def fill(collection: Collection) -> dict[str, Clip]:
    """One clip of every kind a snapshot has to tell apart."""
    unlabelled = {
        state: make_clip(collection, 100 + number, state=state)
        for number, state in enumerate(("new", "heard", "in_round", "skipped", "unintelligible"))
    }
    return {
        **unlabelled,
        "labelled": make_clip(collection, 110, seconds=0.6, text="one", state="labelled"),
        "silent": make_clip(collection, 111, text="", state="labelled", dialect=""),
        "dev": make_clip(collection, 120, speaker="dee", split="dev", text="two", state="labelled"),
        "dev unlabelled": make_clip(collection, 121, speaker="dee", split="dev"),
        "test": make_clip(collection, 130, speaker="tess", split="test", text="三", state="labelled"),
        "test unlabelled": make_clip(collection, 131, speaker="tess", split="test"),
    }


def test_a_training_snapshot_holds_labelled_train_and_dev_and_the_unlabelled_pool() -> None:
    collection = make_collection()
    clips = fill(collection)
    snapshot = take_snapshot(collection=collection, by=None)
    expected = {
        (clips["labelled"].pk, "train", "one"),
        (clips["silent"].pk, "train", ""),
        (clips["dev"].pk, "dev", "two"),
        *((clips[state].pk, "train", None) for state in ("new", "heard", "in_round", "skipped")),
    }
    assert set(snapshot.items.values_list("clip_id", "split", "text")) == expected
    assert snapshot.items.get(clip=clips["labelled"]).reference == Reference.objects.get(text="one")
    assert snapshot.counts == {
        "clips": 7,
        "seconds": 3.6,
        "labelled_clips": 3,
        "labelled_seconds": 1.6,
        "splits": {
            "dev": {"clips": 1, "seconds": 0.5, "labelled_clips": 1, "labelled_seconds": 0.5},
            "train": {"clips": 6, "seconds": 3.1, "labelled_clips": 2, "labelled_seconds": 1.1},
        },
        "languages": {"en": {"clips": 7, "seconds": 3.6, "labelled_clips": 3, "labelled_seconds": 1.6}},
        "dialects": {"scottish": {"clips": 6, "seconds": 3.1, "labelled_clips": 2, "labelled_seconds": 1.1}},
    }


def test_the_test_set_holds_the_labelled_test_clips_and_is_frozen_once() -> None:
    collection = make_collection()
    clips = fill(collection)
    assert snapshots.test_set(collection) is None
    frozen = freeze_test_set(collection=collection, by=None)
    assert list(frozen.items.values_list("clip_id", "split", "text")) == [(clips["test"].pk, "test", "三")]
    make_clip(collection, 140, speaker="tom", split="test", text="more")
    assert freeze_test_set(collection=collection, by=None) == frozen == snapshots.test_set(collection)
    assert frozen.items.count() == 1
    assert AuditEntry.objects.filter(verb="freeze test snapshot").count() == 1


def test_the_digest_is_of_the_content_and_the_stored_manifest_has_it() -> None:
    first, second = make_collection(), make_collection()
    fill(first)
    fill(second)
    one, other = (take_snapshot(collection=collection, by=None) for collection in (first, second))
    assert one.digest == other.digest
    assert one != other
    with open_manifest(one) as file:
        manifest = file.read()
    assert hashlib.sha256(manifest).hexdigest() == one.digest
    lines = [json.loads(line) for line in manifest.splitlines()]
    clips = Clip.objects.filter(snapshot_items__snapshot=one).order_by("pk")
    assert [line["recording"] for line in lines] == [clip.recording.sha256 for clip in clips]
    assert lines[-1] == {
        "recording": clips[6].recording.sha256,
        "start": 0.0,
        "seconds": 0.5,
        "split": "dev",
        "text": "two",
        "language": "en",
        "dialect": "scottish",
        "speaker": "dee",
    }


def test_the_same_content_is_the_same_snapshot_and_a_new_reference_makes_another() -> None:
    collection = make_collection()
    clips = fill(collection)
    first = take_snapshot(collection=collection, by=None)
    assert take_snapshot(collection=collection, by=None) == first
    Clip.objects.filter(pk=clips["new"].pk).update(state="heard")
    assert take_snapshot(collection=collection, by=None) == first
    Reference.objects.filter(clip=clips["labelled"]).update(is_current=False)
    Reference.objects.create(clip=clips["labelled"], version=2, text="won", kind="adjudicated")
    second = take_snapshot(collection=collection, by=None)
    assert second.digest != first.digest
    assert first.items.get(clip=clips["labelled"]).text == "one"
    assert second.items.get(clip=clips["labelled"]).text == "won"


def test_nothing_labelled_is_nothing_to_train_on() -> None:
    collection = make_collection()
    make_clip(collection, 100)
    make_clip(collection, 120, speaker="dee", split="dev", text="two")
    for take in (take_snapshot, freeze_test_set):
        with pytest.raises(EarmarkError) as caught:
            take(collection=collection, by=None)
        assert caught.value.error_id == "datasets:snapshot:empty"


def move_speaker(clips: dict[str, Clip]) -> None:
    Clip.objects.filter(pk=clips["new"].pk).update(split="dev")


def move_recording(clips: dict[str, Clip]) -> None:
    clip = clips["test unlabelled"]
    Clip.objects.create(
        collection=clip.collection, recording=clip.recording, start=0.1, seconds=0.2, split="train"
    )


def move_tested_speaker(clips: dict[str, Clip]) -> None:
    Clip.objects.filter(speaker__name="tess").update(split="train")


def rename_tested_speaker(clips: dict[str, Clip]) -> None:
    speaker = Speaker.objects.create(collection=clips["test"].collection, name="teresa", split="train")
    Clip.objects.filter(speaker__name="tess").update(split="train", speaker=speaker)


@pytest.mark.parametrize(
    ("move", "culprit"),
    [
        (move_speaker, "Speaker 'ada' has clips on the dev and the train side"),
        (move_recording, "Recording '131.flac' has clips on the test and the train side"),
        (move_tested_speaker, "The test set and the clips to train on share clip "),
        (rename_tested_speaker, "The test set and the clips to train on share clip "),
    ],
)
def test_a_leak_is_refused_by_name(move: Callable[[dict[str, Clip]], None], culprit: str) -> None:
    collection = make_collection()
    clips = fill(collection)
    freeze_test_set(collection=collection, by=None)
    move(clips)
    with pytest.raises(EarmarkError, match=culprit) as caught:
        take_snapshot(collection=collection, by=None)
    assert caught.value.error_id == "datasets:snapshot:leak"
    assert not Snapshot.objects.filter(purpose="training").exists()


@pytest.mark.parametrize("reason", ["duplicate", "noisy"])
def test_a_copy_on_another_side_is_left_out_and_one_that_was_overruled_is_refused(reason: str) -> None:
    collection = make_collection()
    clips = fill(collection)
    copy, torn = (make_clip(collection, level, text="three", state="labelled") for level in (160, 161))
    Clip.objects.filter(pk=copy.pk).update(duplicate_of=clips["test"], unfit=reason, is_fit=False)
    Clip.objects.filter(pk=torn.pk).update(
        unfit="torn", is_fit=False, recording=clips["test"].recording, start=7
    )
    frozen = freeze_test_set(collection=collection, by=None)
    snapshot = take_snapshot(collection=collection, by=None)
    assert not {copy.pk, torn.pk} & set(snapshot.items.values_list("clip", flat=True))
    share_nothing(snapshot, frozen)
    Clip.objects.filter(pk=copy.pk).update(is_fit=True)
    with pytest.raises(EarmarkError, match=f"Clip {copy.pk} sounds like clip {clips['test'].pk}") as caught:
        take_snapshot(collection=collection, by=None)
    assert caught.value.error_id == "datasets:snapshot:leak"
    Clip.objects.filter(pk=copy.pk).update(is_fit=False)
    Clip.objects.filter(pk=torn.pk).update(is_fit=True)
    with pytest.raises(EarmarkError, match=r"Recording '130.flac' has clips on the test and the train side"):
        take_snapshot(collection=collection, by=None)


def test_another_clip_of_a_tested_voice_or_sound_is_refused() -> None:
    collection = make_collection()
    clips = fill(collection)
    freeze_test_set(collection=collection, by=None)
    Clip.objects.filter(speaker__name="tess").update(speaker=None)
    tested = Clip.objects.filter(pk=clips["test"].pk)
    later = Clip.objects.create(
        collection=collection, recording=clips["test"].recording, start=0.1, seconds=0.2, split="train"
    )
    tested.update(split="train", state="unintelligible")
    Reference.objects.filter(clip=clips["test"]).update(is_current=False)
    Clip.objects.filter(pk=clips["test unlabelled"].pk).update(state="unintelligible")
    with pytest.raises(EarmarkError, match=r"share the recording with SHA-256") as caught:
        take_snapshot(collection=collection, by=None)
    assert caught.value.error_id == "datasets:snapshot:leak"
    later.delete()
    tested.update(speaker=Speaker.objects.get(name="tess"))
    make_clip(collection, 150, speaker="tess")
    Clip.objects.filter(speaker__name="tess").update(split="train")
    with pytest.raises(EarmarkError, match=r"share speaker 'tess'"):
        take_snapshot(collection=collection, by=None)


def test_what_was_trained_on_never_becomes_a_test() -> None:
    collection = make_collection()
    fill(collection)
    take_snapshot(collection=collection, by=None)
    Clip.objects.filter(speaker__name="dee").update(split="test")
    with pytest.raises(
        EarmarkError, match="An earlier training snapshot and the clips to test on share clip"
    ):
        freeze_test_set(collection=collection, by=None)


@pytest.mark.parametrize("seed", range(5))
def test_however_the_corpus_looks_training_and_test_share_nothing(seed: int) -> None:
    random = Random(seed)
    collection = make_collection()
    sides = {f"speaker {n}": random.choice(("train", "train", "dev", "test")) for n in range(6)}
    sides |= {"speaker 0": "train", "speaker 1": "test"}
    for level in range(100, 118):
        speaker = f"speaker {level % 6}"
        text = random.choice((None, "word")) if level >= 106 else "word"
        state = random.choice(Clip.State.values)
        make_clip(collection, level, speaker=speaker, split=sides[speaker], text=text, state=state)
    frozen = freeze_test_set(collection=collection, by=None)
    share_nothing(take_snapshot(collection=collection, by=None), frozen)
    for _ in range(3):
        stray = random.choice(list(sides))
        with transaction.atomic():
            if random.random() < 0.5:
                Clip.objects.filter(speaker__name=stray, state=random.choice(Clip.State.values)).update(
                    split=random.choice(("train", "dev", "test"))
                )
            with suppress(EarmarkError):
                share_nothing(take_snapshot(collection=collection, by=None), frozen)
            transaction.set_rollback(True)


def share_nothing(snapshot: Snapshot, frozen: Snapshot) -> None:
    for key in ("clip", "clip__speaker", "clip__recording__sha256"):
        trained, tested = (set(one.items.values_list(key, flat=True)) for one in (snapshot, frozen))
        assert trained
        assert not trained & tested


def test_the_database_refuses_to_change_what_is_frozen() -> None:
    collection = make_collection()
    fill(collection)
    snapshot = take_snapshot(collection=collection, by=None)
    items = SnapshotItem.objects.filter(snapshot=snapshot)
    for change in (
        lambda: items.update(text="changed"),
        lambda: items.first().delete(),
        lambda: Snapshot.objects.filter(pk=snapshot.pk).update(digest="0" * 64),
        lambda: collection.delete(),
    ):
        with pytest.raises((DatabaseError, transaction.TransactionManagementError)), transaction.atomic():
            change()
    Snapshot.objects.filter(pk=snapshot.pk).update(created_by=None)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL earmark.unfreeze = 'on'")
    items._raw_delete(items.db)
    assert not items.exists()
