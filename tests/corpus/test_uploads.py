"""Files that come in pieces: whatever breaks off, the bytes are those that were sent, or nothing is registered."""

import hashlib
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from earmark.accounts.models import User
from earmark.corpus import uploads
from earmark.corpus.imports import retry_failed
from earmark.corpus.ingest import run_ingest
from earmark.corpus.models import Import, ImportFile, Upload, UploadBatch
from earmark.corpus.uploads import (
    begin,
    check_path,
    give_up,
    home_of,
    open_batch,
    part_of,
    receive,
    submit_batch,
    sweep,
    terminate,
)
from earmark.jobs.models import Job, Status
from earmark.speech.errors import EarmarkError
from tests.corpus import world
from tests.speech.audio_files import encoded, tone

pytestmark = pytest.mark.django_db
SMALL_BLOCK = 1 << 16


@pytest.fixture
def by() -> User:
    return User.objects.create_user("sender", "sender@example.org", "x")


@pytest.fixture
def batch(by: User) -> UploadBatch:
    return open_batch(collection=world.collection(), by=by)


def reader(data: bytes, *, until: int | None = None) -> Callable[[int], bytes]:
    """Reads `data` as a connection gives it, broken off after `until` bytes."""
    pieces = memoryview(data)[: until if until is not None else len(data)]
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        piece = bytes(pieces[at : at + size])
        at += len(piece)
        return piece

    return read


def send(batch: UploadBatch, path: str, data: bytes) -> Upload:
    upload = begin(batch=batch, path=path, length=len(data))
    return receive(upload.pk, offset=0, read=reader(data))


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(EarmarkError) as caught:
        act()
    return caught.value.error_id


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BLOCK", SMALL_BLOCK)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(5))
def test_a_line_that_breaks_again_and_again_loses_nothing(batch: UploadBatch, seed: int) -> None:
    rng = random.Random(seed)
    data = rng.randbytes(10 * SMALL_BLOCK + rng.randrange(SMALL_BLOCK))
    upload = begin(batch=batch, path="a.wav", length=len(data))
    while upload.offset < len(data):
        rest = data[upload.offset :]
        upload = receive(
            upload.pk, offset=upload.offset, read=reader(rest, until=rng.randrange(1, 4 * SMALL_BLOCK))
        )
    assert part_of(upload).read_bytes() == data


@pytest.mark.usefixtures("small_blocks")
def test_bytes_of_a_process_killed_before_it_could_say_so_are_written_again(
    batch: UploadBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(3 * SMALL_BLOCK)
    upload = begin(batch=batch, path="a.wav", length=len(data))
    upload = receive(upload.pk, offset=0, read=reader(data, until=SMALL_BLOCK))
    with monkeypatch.context() as killed:
        killed.setattr(Upload, "save", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            receive(upload.pk, offset=upload.offset, read=reader(b"x" * SMALL_BLOCK))
    upload.refresh_from_db()
    assert (upload.offset, part_of(upload).stat().st_size) == (SMALL_BLOCK, 2 * SMALL_BLOCK)
    receive(upload.pk, offset=upload.offset, read=reader(data[upload.offset :]))
    assert part_of(upload).read_bytes() == data


def test_a_second_sender_is_turned_away(batch: UploadBatch) -> None:
    upload = begin(batch=batch, path="a.wav", length=10)
    receive(upload.pk, offset=0, read=reader(b"12345"))
    assert refused(lambda: receive(upload.pk, offset=0, read=reader(b"12345"))) == "corpus:upload:offset"
    assert refused(lambda: receive(upload.pk, offset=7, read=reader(b"890"))) == "corpus:upload:offset"
    assert refused(lambda: receive(upload.pk, offset=5, read=reader(b"678901"))) == "corpus:upload:too-long"
    assert receive(upload.pk, offset=5, read=reader(b"67890")).offset == 10
    assert part_of(upload).read_bytes() == b"1234567890"


def test_each_block_is_taken_under_a_lock_on_its_row(batch: UploadBatch) -> None:
    upload = begin(batch=batch, path="a.wav", length=4)
    with CaptureQueriesContext(connection) as asked:
        receive(upload.pk, offset=0, read=reader(b"abcd"))
    locks = [one["sql"] for one in asked if "FOR NO KEY UPDATE" in one["sql"]]
    assert len(locks) == 2
    assert all('"corpus_upload"."id" = ' in lock for lock in locks)


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "/etc/passwd", "../a.wav", "a/../b.wav", "a//b.wav", "a/", "a\\b.wav", "a\0.wav", "a\n.wav",
        "./a.wav", "\ud800.wav", "x" * 201, "é" * 101, "/".join("a" * 17), "/".join(["x" * 100] * 11),
    ],
)  # fmt: skip
def test_a_name_that_leads_anywhere_is_refused(batch: UploadBatch, path: str) -> None:
    assert refused(lambda: begin(batch=batch, path=path, length=1)) == "corpus:upload:path"
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    "path", ["a.wav", "通话/一.wav", "a b/c's (1).WAV", "...", "-rf", "x" * 200, "~/a", "CON"]
)
def test_a_name_is_data(path: str) -> None:
    assert check_path(path) == path


def test_there_must_be_room(batch: UploadBatch) -> None:
    begin(batch=batch, path="a.wav", length=60)
    told = replace(settings.EARMARK, upload_quota_bytes=100)
    with override_settings(EARMARK=told):
        assert refused(lambda: begin(batch=batch, path="b.wav", length=41)) == "corpus:upload:quota"
        begin(batch=batch, path="b.wav", length=40)
        begin(batch=batch, path="a.wav", length=10)  # takes the place of the first
    with override_settings(EARMARK=replace(settings.EARMARK, keep_free_bytes=1 << 60)):
        assert refused(lambda: begin(batch=batch, path="c.wav", length=1)) == "corpus:upload:no-space"
    assert refused(lambda: begin(batch=batch, path="c.wav", length=1 << 41)) == "corpus:upload:too-large"
    assert sorted(Upload.objects.values_list("path", "length")) == [("a.wav", 10), ("b.wav", 40)]


def test_a_disk_that_fills_up_is_said_and_what_came_is_kept(batch: UploadBatch) -> None:
    upload = begin(batch=batch, path="a.wav", length=10)
    receive(upload.pk, offset=0, read=reader(b"12345"))
    part, aside = part_of(upload), part_of(upload).with_suffix(".aside")
    part.rename(aside)
    part.symlink_to("/dev/full")
    assert refused(lambda: receive(upload.pk, offset=5, read=reader(b"67890"))) == "corpus:upload:no-space"
    upload.refresh_from_db()
    assert upload.offset == 5
    aside.replace(part)
    receive(upload.pk, offset=5, read=reader(b"67890"))
    assert part.read_bytes() == b"1234567890"


@pytest.mark.django_db(transaction=True)
def test_what_is_given_up_is_gone(batch: UploadBatch) -> None:
    one, two = (send(batch, path, b"12") for path in ("a.wav", "b.wav"))
    terminate(one)
    assert not part_of(one).exists()
    assert refused(lambda: receive(one.pk, offset=2, read=reader(b""))) == "corpus:upload:unknown"
    begin(batch=batch, path="b.wav", length=5)
    assert not part_of(two).exists()
    home, held = home_of(batch), UploadBatch.objects.get()
    give_up(batch)
    assert not home.exists()
    assert refused(lambda: begin(batch=held, path="b.wav", length=5)) == "corpus:upload:closed"


def audio(hertz: float) -> bytes:
    return encoded(tone(1.0, hertz=hertz), 16_000, "wav")


def test_a_complete_upload_becomes_an_import(batch: UploadBatch, by: User) -> None:
    sent = {"calls/mon/a.wav": audio(200), "calls/tue/b.wav": audio(300)}
    for path, data in sent.items():
        send(batch, path, data)
    made, job = submit_batch(batch=batch, by=by)
    assert job.arguments == {"import_id": made.pk}
    folder = Path(made.source)
    assert folder.name == "calls"
    found = {f"calls/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.wav")}
    assert {path: hashlib.sha256(data).digest() for path, data in found.items()} == {
        path: hashlib.sha256(data).digest() for path, data in sent.items()
    }
    batch.refresh_from_db()
    assert (batch.is_open, batch.made) == (False, made)
    assert open_batch(collection=batch.collection, by=by).pk != batch.pk
    assert refused(lambda: send(batch, "c.wav", b"1")) == "corpus:upload:closed"


def test_nothing_is_registered_by_halves(batch: UploadBatch, by: User) -> None:
    assert refused(lambda: submit_batch(batch=batch, by=by)) == "corpus:upload:empty"
    send(batch, "a.wav", audio(200))
    late = begin(batch=batch, path="b.wav", length=5)
    assert refused(lambda: submit_batch(batch=batch, by=by)) == "corpus:upload:unfinished"
    terminate(late)
    wrong = {"batch": batch, "by": by, "manifest": "m.csv"}
    assert refused(lambda: submit_batch(**wrong)) == "corpus:upload:manifest"
    send(batch, "m.csv", b"nothing,known\n1,2\n")
    with pytest.raises(EarmarkError, match="column 'path'"):
        submit_batch(**wrong)
    assert (Import.objects.count(), Job.objects.count()) == (0, 0)
    send(batch, "m.csv", b"path,speaker\na.wav,mei\n")
    made, _job = submit_batch(**wrong)
    assert Path(made.source).name == "upload"
    assert made.options["manifest"].endswith("/upload/m.csv")


def test_what_was_removed_is_not_imported_though_it_lay_there_once(batch: UploadBatch, by: User) -> None:
    send(batch, "a.wav", audio(200))
    gone = send(batch, "b.wav", audio(300))
    send(batch, "m.csv", b"bad")
    with pytest.raises(EarmarkError):
        submit_batch(batch=batch, by=by, manifest="m.csv")
    terminate(gone)
    made, _job = submit_batch(batch=batch, by=by)
    assert {path.name for path in Path(made.source).iterdir()} == {"a.wav", "m.csv"}


def test_a_file_and_a_folder_of_one_name_are_refused(batch: UploadBatch, by: User) -> None:
    send(batch, "a", b"1")
    send(batch, "a/b.wav", b"1")
    assert refused(lambda: submit_batch(batch=batch, by=by)) == "corpus:upload:path"


def test_an_archive_is_imported_as_an_archive_and_by_itself(
    batch: UploadBatch, by: User, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "calls.zip", "w") as archive:
        archive.writestr("a.wav", audio(200))
    send(batch, "calls.zip", (tmp_path / "calls.zip").read_bytes())
    other = send(batch, "b.wav", audio(300))
    assert refused(lambda: submit_batch(batch=batch, by=by)) == "corpus:upload:mixed"
    terminate(other)
    made, _job = submit_batch(batch=batch, by=by)
    assert Path(made.source).name == "calls.zip"
    assert made.options["kind"] == "archive"


def test_a_part_that_something_else_removed_is_missed(batch: UploadBatch, by: User) -> None:
    part_of(send(batch, "a.wav", audio(200))).unlink()
    assert refused(lambda: submit_batch(batch=batch, by=by)) == "corpus:upload:lost"


class TestSweep:
    @pytest.fixture
    def imported(self, batch: UploadBatch, by: User) -> Iterator[Import]:
        send(batch, "a.wav", audio(200))
        made, _job = submit_batch(batch=batch, by=by)
        return made

    def test_an_upload_nobody_goes_on_with_is_given_up(self, batch: UploadBatch) -> None:
        send(batch, "a.wav", b"1")
        almost, late = (timezone.now() + timedelta(days=days) for days in (6.9, 7.1))
        assert (sweep(almost), home_of(batch).exists()) == (0, True)
        assert (sweep(late), home_of(batch).exists()) == (1, False)
        assert not UploadBatch.objects.exists()

    def test_files_stay_while_a_job_reads_them(self, batch: UploadBatch, imported: Import) -> None:
        assert sweep(timezone.now() + timedelta(days=30)) == 0
        Job.objects.update(status=Status.SUCCEEDED)
        assert sweep() == 1
        assert not home_of(batch).exists()
        assert Import.objects.filter(pk=imported.pk).exists()

    def test_files_that_failed_stay_for_a_retry(self, batch: UploadBatch, imported: Import) -> None:
        Job.objects.update(status=Status.SUCCEEDED)
        ImportFile.objects.create(of=imported, path="a.wav", outcome=ImportFile.Outcome.FAILED)
        assert sweep() == 0
        assert sweep(timezone.now() + timedelta(days=7.1)) == 1

    @pytest.mark.parametrize("how", [Status.FAILED, Status.CANCELLED])
    def test_files_of_an_import_that_broke_off_stay_for_a_retry(
        self, batch: UploadBatch, imported: Import, how: Status, by: User
    ) -> None:
        Job.objects.update(status=how)
        assert (sweep(), home_of(batch).exists()) == (0, True)
        job = retry_failed(made=imported, by=by)
        assert job.status == Status.QUEUED
        run_ingest(world.Context(), **job.arguments)
        assert world.outcome_of(imported) == {"a.wav": ("ingested", "")}
        Job.objects.update(status=Status.SUCCEEDED)
        assert (sweep(), home_of(batch).exists()) == (1, False)
