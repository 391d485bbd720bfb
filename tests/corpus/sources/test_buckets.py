"""A bucket of a real S3-speaking server: only named ones, every page, exactly what was listed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.conf import settings
from django.test import override_settings

from earmark.corpus.manifest import Row
from earmark.corpus.sources import RefusedFileError, buckets, passing
from earmark.speech.errors import EarmarkError
from tests.corpus.sources.places import brought, rows_of, source_at
from tests.object_store import Bucket


@pytest.fixture(autouse=True)
def allowed(s3_bucket: Bucket) -> Iterator[None]:
    told = replace(settings.EARMARK, import_buckets=(s3_bucket.name,), s3_endpoint=s3_bucket.endpoint)
    with override_settings(EARMARK=told):
        yield


def laid(bucket: Bucket, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        bucket.client.put_object(Bucket=bucket.name, Key=name, Body=data)
    return f"s3://{bucket.name}/calls"


def test_objects_below_the_prefix_come_in_and_no_others(s3_bucket: Bucket) -> None:
    files = {
        "calls/b.wav": b"b",
        "calls/a/1.flac": b"1",
        "calls/x.txt": b"x",
        "calls/.h/c.wav": b"c",
        "calls/d/": b"",
    }
    address = laid(s3_bucket, {**files, "calls2/no.wav": b"no", "other.wav": b"no"})
    with source_at(address) as source:
        source.check()
        assert brought(source) == {"a/1.flac": b"1", "b.wav": b"b"}
        assert source.rows().left_aside == {".txt": 1, "hidden": 1}
        assert list(passing.folder().iterdir()) == []


def test_a_prefix_of_thousands_is_listed_to_its_end(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = laid(s3_bucket, {f"calls/{number:02d}.wav": b"x" for number in range(25)})
    source = source_at(address)
    ask = source.tree._client.get_paginator  # type: ignore[attr-defined]

    class Small:
        def paginate(self, **asked: object) -> object:
            return ask("list_objects_v2").paginate(**asked, PaginationConfig={"PageSize": 10})

    monkeypatch.setattr(source.tree._client, "get_paginator", lambda _: Small())  # type: ignore[attr-defined]
    assert [row.path for row in source.rows().rows] == [f"{number:02d}.wav" for number in range(25)]


def test_a_layout_in_a_bucket_is_read(s3_bucket: Bucket) -> None:
    line = '{"audio_filepath": "s3://%s/calls/a.wav", "text": "hi"}\n{"audio_filepath": "s3://x/b.wav"}\n'
    address = laid(s3_bucket, {"calls/train.json": (line % s3_bucket.name).encode(), "calls/a.wav": b"a"})
    rows = rows_of(address, layout="nemo")
    assert rows["a.wav"] == Row("a.wav", text="hi", split="train")
    assert brought(source_at(address, layout="nemo"))["s3://x/b.wav"] == "corpus:import:outside"
    with pytest.raises(EarmarkError, match="--layout nemo"):
        source_at(address).check()


def test_an_object_changed_since_it_was_listed_is_refused(s3_bucket: Bucket) -> None:
    address = laid(s3_bucket, {"calls/a.wav": b"one", "calls/b.wav": b"two", "calls/c.wav": b"three"})
    with source_at(address) as source:
        rows = source.rows().rows
        laid(s3_bucket, {"calls/a.wav": b"other"})
        s3_bucket.client.delete_object(Bucket=s3_bucket.name, Key="calls/b.wav")
        for row in rows[:2]:
            with pytest.raises(RefusedFileError) as caught, source.opened(row):
                pass
            assert caught.value.error_id == "corpus:audio:missing"
        with source.opened(rows[2]) as path:
            assert path.read_bytes() == b"three"


@pytest.mark.parametrize(
    ("address", "error_id"),
    [
        ("s3://somebody-elses/calls", "corpus:bucket:not-allowed"),
        ("s3://169.254.169.254/latest", "corpus:bucket:not-allowed"),
        ("s3://UPPER/x", "corpus:bucket:address"),
        ("s3:///calls", "corpus:bucket:address"),
        ("s3://user:password@bucket/x", "corpus:bucket:address"),
        ("s3://{ours}/empty", "corpus:bucket:empty"),
    ],
)
def test_addresses_that_are_refused_at_once(s3_bucket: Bucket, address: str, error_id: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        source_at(address.format(ours=s3_bucket.name)).check()
    assert caught.value.error_id == error_id


def test_no_bucket_is_named_no_bucket_is_read(s3_bucket: Bucket) -> None:
    address = laid(s3_bucket, {"calls/a.wav": b"a"})
    with override_settings(EARMARK=replace(settings.EARMARK, import_buckets=())):
        for ask in (lambda one: one.check(), lambda one: one.rows()):
            with pytest.raises(EarmarkError) as caught:
                ask(source_at(address))
            assert caught.value.error_id == "corpus:bucket:not-allowed"


def test_a_server_that_does_not_answer_stops_the_import(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "RETRIES", {"max_attempts": 1})
    told = replace(settings.EARMARK, s3_endpoint="http://127.0.0.1:9")
    with override_settings(EARMARK=told), pytest.raises(EarmarkError) as caught:
        source_at(f"s3://{s3_bucket.name}/calls").rows()
    assert caught.value.error_id == "corpus:bucket:unreachable"
    assert not isinstance(caught.value, RefusedFileError)


def test_an_object_too_large_is_refused_before_it_is_fetched(
    s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "LARGEST_FILE", 3)
    address = laid(s3_bucket, {"calls/a.wav": b"four", "calls/b.wav": b"two"})
    assert brought(source_at(address)) == {"a.wav": "corpus:audio:too-long", "b.wav": b"two"}
