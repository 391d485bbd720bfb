"""Everything that is kept, kept in a bucket: against a server that speaks S3, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.test import Client, override_settings
from django.urls import reverse

from earmark.config.storages import media_storage
from earmark.corpus import samples, stored
from earmark.corpus.audio_links import sign
from earmark.corpus.models import Clip, ImportFile, Recording
from earmark.corpus.samples import clip_samples, samples_of
from earmark.datasets.exports import request_export, write_export
from earmark.datasets.snapshots import take_snapshot
from earmark.speech.errors import EarmarkError
from tests.corpus import world
from tests.object_store import Bucket
from tests.speech.audio_files import write

pytestmark = pytest.mark.django_db
FAR = 2**40


@pytest.fixture(autouse=True)
def in_a_bucket(s3_bucket: Bucket) -> Iterator[None]:
    default = media_storage(f"s3://{s3_bucket.name}/earmark/media", endpoint=s3_bucket.endpoint)
    with override_settings(STORAGES={**settings.STORAGES, "default": default}):
        yield


def test_what_comes_in_is_heard_again(tmp_path: Path, s3_bucket: Bucket, client: Client) -> None:
    write(tmp_path / "short.mp3", 1.0, rate=44_100)
    write(tmp_path / "long.flac", 70.0)
    _, result = world.bring_in(world.collection(), tmp_path)
    assert result["ingested"] == 2
    long = Recording.objects.get(name="long.flac")
    for start in (0.0, 10.0, 20.5):
        world.clip(long.collection, recording=long, start=start, seconds=7.25)
    clips = list(Clip.objects.order_by("recording_id", "start"))
    for clip, (_, heard) in zip(clips, samples_of(clips), strict=True):
        assert len(heard) == pytest.approx(clip.seconds * 16_000, abs=1)
    address, signature = reverse("corpus:clip-audio", args=[clips[-1].pk]), sign(clips[-1].pk, expires=FAR)
    whole = client.get(address, {"sig": signature, "as": "opus"})
    part = client.get(address, {"sig": signature, "as": "opus"}, headers={"Range": "bytes=100-"})
    assert part.content == whole.content[100:]
    held = {"If-None-Match": whole["ETag"]}
    assert client.get(address, {"sig": signature, "as": "opus"}, headers=held).status_code == 304
    peaks = client.get(reverse("corpus:clip-peaks", args=[clips[-1].pk]), {"sig": signature})
    told = peaks.json()
    assert told["length"] * told["samples_per_pixel"] == pytest.approx(clips[-1].seconds * 16_000, abs=240)
    names = s3_bucket.names()
    assert {name.split("/")[2] for name in names} == {"recordings", "clips-1"}
    assert all(name.startswith("earmark/media/") for name in names)


def test_the_same_content_is_kept_once(tmp_path: Path, s3_bucket: Bucket) -> None:
    write(tmp_path / "a.wav", 1.0)
    for slug in ("here", "there"):
        world.bring_in(world.collection(slug), tmp_path)
    stored.keep_bytes("twice", b"bytes")
    stored.keep_bytes("twice", b"bytes")
    assert sorted(name.split("/")[2] for name in s3_bucket.names()) == ["recordings", "twice"]


def test_what_is_lost_is_missed(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 1.0)
    world.bring_in(world.collection(), tmp_path)
    clip = Clip.objects.get()
    default_storage.delete(clip.recording.file.name)
    with pytest.raises(EarmarkError) as caught:
        clip_samples(clip)
    assert caught.value.error_id == "corpus:audio:missing"
    assert stored.size("nothing") is None
    assert stored.read("nothing") is None


def test_snapshots_and_exports_are_written_there_and_read_back(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.wav", 1.0)
    (tmp_path / "m.csv").write_text("path,text,split\na.wav,hello,train\n")
    collection = world.collection()
    world.bring_in(collection, tmp_path / "in", tmp_path / "m.csv")
    snapshot = take_snapshot(collection=collection, by=None)
    export = request_export(snapshot=snapshot, format="audiofolder", by=None)
    write_export(world.Context(), export)
    export.refresh_from_db()
    with export.file.open("rb") as file:
        assert file.read(2) == b"PK"


def test_a_recording_is_fetched_once_for_all_its_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "long.flac", 70.0)
    world.bring_in(world.collection(), tmp_path)
    long = Recording.objects.get()
    clips = [
        world.clip(long.collection, recording=long, start=start, seconds=5.0) for start in (0.0, 10.0, 20.5)
    ]
    monkeypatch.setattr(samples, "WINDOW_SECONDS", 10)
    fetched = []
    real = stored._copied
    monkeypatch.setattr(stored, "_copied", lambda name: fetched.append(name) or real(name))
    assert [len(one) for _, one in samples_of(clips)] == [5 * 16_000] * 3
    assert fetched == [long.file.name]


def test_a_storage_that_is_away_says_so(tmp_path: Path, client: Client, s3_bucket: Bucket) -> None:
    write(tmp_path / "a.wav", 1.0)
    world.bring_in(world.collection(), tmp_path)
    clip = Clip.objects.get()
    for name in s3_bucket.names():
        s3_bucket.client.delete_object(Bucket=s3_bucket.name, Key=name)
    s3_bucket.client.delete_bucket(Bucket=s3_bucket.name)
    with pytest.raises(EarmarkError) as caught:
        stored.keep_bytes("more", b"bytes")
    assert caught.value.error_id == "corpus:storage:unreachable"
    write(tmp_path / "b.wav", 1.2)
    with pytest.raises(EarmarkError) as caught:
        world.bring_in(clip.collection, tmp_path)
    assert caught.value.error_id == "corpus:storage:unreachable"
    assert not ImportFile.objects.filter(path="b.wav").exists()
    address, signature = reverse("corpus:clip-audio", args=[clip.pk]), sign(clip.pk, expires=FAR)
    answer = client.get(address, {"sig": signature})
    assert answer.status_code in (500, 503)
    assert answer.json()["error_id"] in ("corpus:storage:unreachable", "corpus:audio:missing")
    assert answer["Access-Control-Allow-Origin"]
