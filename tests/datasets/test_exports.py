"""What is labelled goes out whole, in formats others read, and a half-written file is never handed over."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from django.conf import settings

from earmark.corpus.models import Clip
from earmark.datasets import exports
from earmark.datasets.exports import request_export
from earmark.datasets.models import Export, Snapshot
from earmark.datasets.snapshots import freeze_test_set, take_snapshot
from earmark.jobs import running
from earmark.jobs.models import Job, Status
from earmark.jobs.running import Cancelled
from earmark.speech.errors import EarmarkError
from tests.recognition.world import Progress, make_clip, make_collection, waveform

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot() -> Snapshot:
    collection = make_collection()
    make_clip(collection, 100)
    make_clip(collection, 110, seconds=0.6, text="one", state="labelled")
    make_clip(collection, 111, seconds=0.4, text="", state="labelled")
    make_clip(collection, 120, speaker="dee", split="dev", text="二", state="labelled")
    return take_snapshot(collection=collection, by=None)


def written(snapshot: Snapshot, format: str) -> tuple[Export, bytes]:
    export = request_export(snapshot=snapshot, format=format, by=None)
    assert export.job is not None
    assert running.run(export.job.pk) == Status.SUCCEEDED
    export.refresh_from_db()
    with export.file.open("rb") as file:
        data = file.read()
    assert Job.objects.get(pk=export.job.pk).result == {
        "export": export.pk,
        "file": export.file.name,
        "bytes": len(data),
    }
    return export, data


def test_json_lines_say_all_that_is_known_of_each_labelled_clip(snapshot: Snapshot) -> None:
    lines = [json.loads(line) for line in written(snapshot, "jsonl")[1].decode().splitlines()]
    assert [line["text"] for line in lines] == ["one", "", "二"]
    clip = Clip.objects.get(pk=lines[0]["id"])
    assert lines[0] == {
        "id": clip.pk,
        "text": "one",
        "path": "110.flac",
        "recording_sha256": clip.recording.sha256,
        "start": 0.0,
        "seconds": 0.6,
        "split": "train",
        "language": "en",
        "dialect": "scottish",
        "speaker": "ada",
        "licence": "CC0",
        "reference_kind": "imported",
        "reference_version": 1,
    }


def test_an_audiofolder_has_the_layout_hugging_face_documents(snapshot: Snapshot) -> None:
    archive = zipfile.ZipFile(io.BytesIO(written(snapshot, "audiofolder")[1]))
    assert archive.testzip() is None
    by_folder = {folder: metadata(archive, folder) for folder in ("train", "validation")}
    assert [line["transcription"] for line in by_folder["train"]] == ["one", ""]
    assert [line["transcription"] for line in by_folder["validation"]] == ["二"]
    named = {f"{folder}/{line['file_name']}" for folder, lines in by_folder.items() for line in lines}
    documents = {"README.md", "train/metadata.jsonl", "validation/metadata.jsonl"}
    assert set(archive.namelist()) == named | documents
    for folder, lines in by_folder.items():
        for line in lines:
            samples, rate = soundfile.read(io.BytesIO(archive.read(f"{folder}/{line['file_name']}")))
            level = int(Path(line["path"]).stem)
            assert rate == 16_000
            np.testing.assert_allclose(samples, waveform(level, line["seconds"]), atol=1e-4)


def metadata(archive: zipfile.ZipFile, folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(f"{folder}/metadata.jsonl").splitlines()]


def test_the_test_set_is_exported_as_the_test_split() -> None:
    collection = make_collection()
    make_clip(collection, 130, speaker="tess", split="test", text="three")
    frozen = freeze_test_set(collection=collection, by=None)
    archive = zipfile.ZipFile(io.BytesIO(written(frozen, "audiofolder")[1]))
    assert [line["transcription"] for line in metadata(archive, "test")] == ["three"]


def test_the_same_snapshot_exported_twice_gives_the_same_bytes(snapshot: Snapshot) -> None:
    (first, one), (second, other) = (written(snapshot, "audiofolder") for _ in range(2))
    assert first != second
    assert one == other


def test_an_export_being_written_is_not_begun_again(snapshot: Snapshot) -> None:
    first = request_export(snapshot=snapshot, format="jsonl", by=None)
    assert request_export(snapshot=snapshot, format="jsonl", by=None) == first
    assert request_export(snapshot=snapshot, format="audiofolder", by=None) != first
    with pytest.raises(EarmarkError) as caught:
        request_export(snapshot=snapshot, format="xlsx", by=None)
    assert caught.value.error_id == "datasets:export:format"


def test_a_written_export_is_left_alone(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    export, _ = written(snapshot, "jsonl")
    name = export.file.name
    monkeypatch.setattr(exports, "WRITERS", {})
    assert exports.write_export(Progress(), export).file.name == name


def test_an_export_broken_off_leaves_nothing_and_is_whole_the_next_time(
    snapshot: Snapshot, media: Path
) -> None:
    export = request_export(snapshot=snapshot, format="audiofolder", by=None)
    with pytest.raises(Cancelled):
        exports.write_export(Progress(cancel_at=2), export)
    export.refresh_from_db()
    assert not export.file
    assert not (media / "exports").exists()
    killed = settings.EARMARK.var / "exports" / f"{export.pk}-left.part"
    killed.write_bytes(b"left by a kill")
    exports.write_export(Progress(), export)
    assert list(killed.parent.iterdir()) == []
    with export.file.open("rb") as file:
        assert len(zipfile.ZipFile(file).namelist()) == 6


def test_two_workers_on_one_export_keep_one_file(snapshot: Snapshot, media: Path) -> None:
    export = request_export(snapshot=snapshot, format="jsonl", by=None)
    late = Export.objects.get(pk=export.pk)
    exports.write_export(Progress(), export)
    exports.write_export(Progress(), late)
    assert late.file.name == export.file.name
    assert [path.name for path in (media / "exports").iterdir()] == [Path(export.file.name).name]


def test_a_clip_without_audio_fails_the_export_by_name(snapshot: Snapshot, media: Path) -> None:
    item = snapshot.items.filter(text="one").get()
    (media / item.clip.recording.file.name).write_bytes(b"gone bad")
    export = request_export(snapshot=snapshot, format="audiofolder", by=None)
    assert export.job is not None
    assert running.run(export.job.pk) == Status.FAILED
    assert Job.objects.get(pk=export.job.pk).error_id.startswith("corpus:")
    export.refresh_from_db()
    assert not export.file
