import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import IntegrityError, connection

from earmark.corpus import arrivals, ingest, recording, stored, surveying
from earmark.corpus.ingest import run_ingest, submit_ingest
from earmark.corpus.models import Clip, Import, ImportFile, Recording, Reference, Speaker, Split
from earmark.jobs import running
from earmark.jobs.models import Job, Status
from earmark.speech.errors import EarmarkError
from earmark.speech.segmentation import SegmentationSettings
from tests.corpus import world
from tests.services import STACK
from tests.speech.audio_files import tone, write, write_talk

pytestmark = pytest.mark.django_db


def manifest_of(folder: Path, *rows: dict[str, str]) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def folder_of(folder: Path, count: int) -> Path:
    for number in range(count):
        write(folder / f"{number:02d}.wav", 0.2 + number / 100)
    return folder


def test_a_file_becomes_a_recording_and_a_clip(tmp_path: Path, media: Path) -> None:
    write(tmp_path / "deep" / "er" / "a.wav", 1.5, rate=44_100, channels=2)
    made, _ = world.bring_in(world.collection(), tmp_path)
    one, clip = Recording.objects.get(), Clip.objects.get()
    assert (one.name, one.rate, one.channels, one.format) == ("deep/er/a.wav", 44_100, 2, "WAV PCM_16")
    assert one.seconds == clip.seconds == pytest.approx(1.5, abs=1e-4)
    assert one.bytes == (tmp_path / "deep/er/a.wav").stat().st_size
    assert Path(one.file.path).read_bytes() == (tmp_path / "deep/er/a.wav").read_bytes()
    assert one.file.name == f"recordings/{one.sha256[:2]}/{one.sha256}.wav"
    assert (clip.start, clip.state, clip.speaker) == (0.0, Clip.State.NEW, None)
    assert made.files.get().recording == one
    assert [path.parent.name for path in media.rglob("*.*")] == [one.sha256[:2]]


def test_a_long_recording_is_cut_at_its_pauses(tmp_path: Path) -> None:
    write_talk(tmp_path / "long.flac", 14)
    into = world.collection()
    world.bring_in(into, tmp_path)
    one, clips = Recording.objects.get(), list(Clip.objects.order_by("start"))
    assert one.seconds > 40
    assert len(clips) >= 2
    assert all(clip.seconds <= 30.0 for clip in clips)
    assert all(before.start + before.seconds <= after.start for before, after in pairwise(clips))
    assert sum(clip.speech_seconds or 0 for clip in clips) == pytest.approx(one.seconds - 15, rel=0.1)
    assert len({clip.split for clip in clips}) == 1
    assert {clip.segmentation for clip in clips} == {one.segmentation}
    assert one.segmentation is not None
    assert (one.segmentation.generation, one.segmentation.method) == (1, "voice")
    assert SegmentationSettings.from_json(one.segmentation.parameters) == SegmentationSettings()
    assert all(clip.is_fit and clip.unfit == "" for clip in clips)


def test_a_long_recording_in_which_nobody_speaks_has_no_clips_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "hum.flac", 40.0)
    made, _ = world.bring_in(world.collection(), tmp_path)
    assert world.outcome_of(made) == {"hum.flac": ("ingested", "corpus:segmentation:no-speech")}
    assert not Clip.objects.exists()


def test_what_holds_no_speech_is_kept_as_unfit(tmp_path: Path) -> None:
    write(tmp_path / "hum.flac", 4.0)
    write_talk(tmp_path / "talk.flac", 1)
    world.bring_in(world.collection(), tmp_path)
    verdicts = {clip.recording.name: (clip.is_fit, clip.unfit) for clip in Clip.objects.all()}
    assert verdicts == {"hum.flac": (False, "silent"), "talk.flac": (True, "")}


def test_what_is_no_audio_by_its_name_is_counted_and_left_aside(tmp_path: Path) -> None:
    write(tmp_path / "A.WAV", 0.5)
    write(tmp_path / ".hidden.wav", 0.5)
    write(tmp_path / ".cache" / "b.wav", 0.5)
    for name in ("notes.txt", "more.TXT", "README", "a.TextGrid"):
        (tmp_path / name).write_text("x")
    made, result = world.bring_in(world.collection(), tmp_path)
    assert list(world.outcome_of(made)) == ["A.WAV"]
    made.refresh_from_db()
    assert made.left_aside == result["left_aside"] == {".textgrid": 1, ".txt": 2, "hidden": 2, "no suffix": 1}


def test_the_manifest_says_what_comes_in_and_what_is_known_of_it(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 0.5)
    write(tmp_path / "b.dat.wav", 0.6).rename(tmp_path / "b.dat")
    write(tmp_path / "unlisted.wav", 0.7)
    manifest = manifest_of(
        tmp_path,
        {"path": "a.wav", "speaker": "阿明", "language": "yue", "dialect": "hong kong", "split": "test",
         "text": "三 百", "licence": "CC0-1.0"},
        {"path": "./b.dat", "speaker": "阿明", "split": "test"},
        {"path": "absent.wav"},
    )  # fmt: skip
    made, result = world.bring_in(world.collection(), tmp_path, manifest)
    assert world.outcome_of(made) == {
        "a.wav": ("ingested", ""),
        "b.dat": ("ingested", ""),
        "absent.wav": ("failed", "corpus:audio:missing"),
    }
    assert result["left_aside"] == {".jsonl": 1, "not in the manifest": 1}
    speaker = Speaker.objects.get()
    assert (speaker.name, speaker.language, speaker.dialect, speaker.split) == (
        "阿明",
        "yue",
        "hong kong",
        "test",
    )
    labelled = Clip.objects.get(recording__name="a.wav")
    assert (labelled.state, labelled.split, labelled.language) == (Clip.State.LABELLED, "test", "yue")
    reference = Reference.objects.get()
    assert (reference.clip, reference.text, reference.kind, reference.version) == (
        labelled,
        "三 百",
        "imported",
        1,
    )
    other = Clip.objects.get(recording__name="b.dat")
    assert (other.state, other.split, other.language, other.dialect) == (
        Clip.State.NEW,
        "test",
        "yue",
        "hong kong",
    )
    assert labelled.recording.licence == "CC0-1.0"


def test_a_speaker_stays_on_the_side_of_the_first_day(tmp_path: Path) -> None:
    into = world.collection()
    write(tmp_path / "one" / "a.wav", 0.5)
    write(tmp_path / "two" / "b.wav", 0.6)
    first = manifest_of(tmp_path / "one", {"path": "a.wav", "speaker": "anna", "split": "dev"})
    second = manifest_of(tmp_path / "two", {"path": "b.wav", "speaker": "anna", "split": "test"})
    world.bring_in(into, tmp_path / "one", first)
    made, _ = world.bring_in(into, tmp_path / "two", second)
    assert world.outcome_of(made) == {"b.wav": ("ingested", "corpus:manifest:split-kept")}
    assert set(Clip.objects.values_list("split", flat=True)) == {Split.DEV}


def test_speakers_are_dealt_to_all_sides_and_never_to_two(tmp_path: Path) -> None:
    rows = []
    for number in range(40):
        write(tmp_path / f"{number}.wav", 0.2 + number / 1000)
        rows.append(
            {"path": f"{number}.wav", "speaker": f"s{number % 20}", "dialect": "x" if number % 2 else "y"}
        )
    world.bring_in(world.collection(), tmp_path, manifest_of(tmp_path, *rows))
    sides = {
        name: set(Clip.objects.filter(speaker__name=name).values_list("split", flat=True))
        for name in Speaker.objects.values_list("name", flat=True)
    }
    assert all(len(side) == 1 for side in sides.values())
    for dialect in ("x", "y"):
        dealt = [Speaker.objects.filter(dialect=dialect, split=split).count() for split in Split.values]
        assert sum(dealt) == 10
        assert dealt[0] == pytest.approx(8, abs=1)


def test_a_text_for_a_recording_of_several_clips_is_not_guessed_at(tmp_path: Path) -> None:
    write_talk(tmp_path / "long.wav", 14)
    manifest = manifest_of(tmp_path, {"path": "long.wav", "text": "much was said"})
    made, _ = world.bring_in(world.collection(), tmp_path, manifest)
    assert world.outcome_of(made) == {"long.wav": ("ingested", "corpus:manifest:text-unplaced")}
    assert f"{Clip.objects.count()} clips" in made.files.get().error
    assert not Reference.objects.exists()


def test_the_same_folder_again_brings_nothing_new(tmp_path: Path, media: Path) -> None:
    into = world.collection()
    world.bring_in(into, folder_of(tmp_path, 5))
    stored_before = sorted(media.rglob("*"))
    _, result = world.bring_in(into, tmp_path)
    assert (result["ingested"], result["duplicate"]) == (0, 5)
    assert Recording.objects.count() == 5
    assert sorted(media.rglob("*")) == stored_before


def test_two_collections_share_the_bytes_and_nothing_else(tmp_path: Path, media: Path) -> None:
    folder_of(tmp_path, 2)
    world.bring_in(world.collection("one"), tmp_path)
    _, result = world.bring_in(world.collection("two"), tmp_path)
    assert result["ingested"] == 2
    assert Recording.objects.count() == 4
    assert len([path for path in media.rglob("*") if path.is_file()]) == 2


def test_progress_names_the_last_file(tmp_path: Path) -> None:
    made, _ = submit_ingest(collection=world.collection(), source=folder_of(tmp_path, 3))
    context = world.Context()
    run_ingest(context, import_id=made.pk)
    assert context.told[-1] == (3, 3, "02.wav")


def test_bad_orders_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    into = world.collection()
    with pytest.raises(EarmarkError) as caught:
        submit_ingest(collection=into, source=tmp_path / "absent")
    assert caught.value.error_id == "corpus:import:no-folder"
    with pytest.raises(EarmarkError) as caught:
        submit_ingest(collection=into, source=tmp_path, manifest=tmp_path / "absent.csv")
    assert caught.value.error_id == "corpus:manifest:unreadable"
    assert not Import.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_job_does_the_import(tmp_path: Path) -> None:
    _, job = submit_ingest(collection=world.collection(), source=folder_of(tmp_path, 2))
    assert running.run(job.pk) == Status.SUCCEEDED
    job.refresh_from_db()
    assert job.result == {"ingested": 2, "duplicate": 0, "failed": 0, "files": 2, "left_aside": {}}


STEPS = {
    "hashing": (stored, "sha256_of"),
    "keeping": (stored, "keep_file"),
    "cutting": (arrivals, "pieces_of"),
    "recording": (ingest, "record"),
    "speakers": (recording, "voices_of"),
    "clips": (recording, "new_clip"),
    "outcomes": (recording, "_outcome"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("call", [1, 3])
def test_broken_off_at_any_step_it_goes_on_without_doubles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    monkeypatch.setattr(ingest, "FILES_AT_ONCE", 2)
    module, name = STEPS[step]
    real, calls = getattr(module, name), []

    def breaks(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    folder_of(tmp_path, 8)
    shutil.copy(tmp_path / "00.wav", tmp_path / "05 again.wav")
    made, _ = submit_ingest(collection=world.collection(), source=tmp_path)
    monkeypatch.setattr(module, name, breaks)
    with pytest.raises(KeyboardInterrupt):
        run_ingest(world.Context(), import_id=made.pk)
    complete = {one.pk for one in Recording.objects.filter(clips__isnull=False, importfile__isnull=False)}
    assert set(Recording.objects.values_list("pk", flat=True)) == complete

    result = run_ingest(world.Context(), import_id=made.pk)
    assert (result["ingested"], result["duplicate"], result["failed"]) == (8, 1, 0)
    assert Recording.objects.count() == Clip.objects.count() == 8
    assert ImportFile.objects.count() == 9
    for one in Recording.objects.all():
        assert stored.sha256_of(Path(one.file.path)) == one.sha256


@pytest.mark.django_db(transaction=True)
def test_killed_with_sigkill_time_and_again_it_completes(tmp_path: Path, media: Path) -> None:
    folder_of(tmp_path, 8)
    shutil.copy(tmp_path / "00.wav", tmp_path / "05 again.wav")
    made, _ = submit_ingest(collection=world.collection(), source=tmp_path)
    database = STACK.environment["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    subprocess.run(
        [sys.executable, "-m", "tests.corpus.killed_ingest", str(made.pk)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database,
            "EARMARK_MEDIA": str(media),
        },
        check=True,
    )
    assert ingest.outcomes(made) == {"ingested": 8, "duplicate": 1, "failed": 0}
    assert Recording.objects.count() == Clip.objects.count() == 8
    assert {stored.sha256_of(Path(one.file.path)) for one in Recording.objects.all()} == set(
        Recording.objects.values_list("sha256", flat=True)
    )


def test_asked_to_stop_it_stops_between_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "FILES_AT_ONCE", 1)
    monkeypatch.setattr(surveying, "LOOKS_UP_SECONDS", 60.0)
    made, _ = submit_ingest(collection=world.collection(), source=folder_of(tmp_path, 4))
    with pytest.raises(world.StoppedError):
        run_ingest(world.Context(stop_after=2), import_id=made.pk)
    assert Recording.objects.count() == 2
    assert run_ingest(world.Context(), import_id=made.pk)["ingested"] == 4


def test_a_second_writer_of_the_same_import_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that lost its lease without knowing it finds the other's rows when its turn comes."""
    made, _ = submit_ingest(collection=world.collection(), source=folder_of(tmp_path, 3))
    late: list[object] = []
    monkeypatch.setattr(ingest, "record", lambda *args: late.append(args))
    run_ingest(world.Context(), import_id=made.pk)
    monkeypatch.undo()
    run_ingest(world.Context(), import_id=made.pk)
    with world.unchanged():
        recording.record(*late[0])  # type: ignore[misc]


def test_the_same_content_met_by_two_imports_at_once_is_one_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = world.collection()
    folder_of(tmp_path, 3)
    slow, _ = submit_ingest(collection=into, source=tmp_path)
    late: list[object] = []
    monkeypatch.setattr(ingest, "record", lambda *args: late.append(args))
    run_ingest(world.Context(), import_id=slow.pk)
    monkeypatch.undo()
    world.bring_in(into, tmp_path)
    recording.record(*late[0])  # type: ignore[misc]
    assert Recording.objects.count() == 3
    assert {outcome for outcome, _ in world.outcome_of(slow).values()} == {"duplicate"}


def test_nothing_of_a_handful_stays_when_a_row_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = submit_ingest(collection=world.collection(), source=folder_of(tmp_path, 3))
    monkeypatch.setattr(
        ImportFile.objects, "bulk_create", lambda rows: (_ for _ in ()).throw(IntegrityError("no"))
    )
    with pytest.raises(IntegrityError):
        run_ingest(world.Context(), import_id=made.pk)
    assert world.counts() == (0, 0, 0)


def test_a_file_that_changes_under_our_hands_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.wav", 0.5)
    monkeypatch.setattr(stored, "sha256_of", lambda path: "0" * 64)
    made, _ = world.bring_in(world.collection(), tmp_path)
    assert world.outcome_of(made) == {"a.wav": ("failed", "corpus:import:changed")}


def test_a_name_longer_than_its_column_is_kept_short_and_known_again(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 200] * 6)
    write(deep / "a.wav", 0.5)
    write(deep / "b.wav", 0.6)
    into = world.collection()
    made, _ = world.bring_in(into, tmp_path)
    assert {len(row.path) for row in made.files.all()} == {1000}
    with world.unchanged():
        run_ingest(world.Context(), import_id=made.pk)


def test_half_written_files_of_long_ago_are_swept(tmp_path: Path, media: Path) -> None:
    (media / "arriving").mkdir()
    old, fresh = media / "arriving" / "old.wav", media / "arriving" / "fresh.wav"
    for path in (old, fresh):
        path.write_bytes(tone(0.1).tobytes())
    os.utime(old, (1, 1))
    world.bring_in(world.collection(), folder_of(tmp_path, 1))
    assert not old.exists()
    assert fresh.exists()
