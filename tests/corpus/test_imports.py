"""An import afterwards: failed files tried again, all of it undone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.corpus import imports, ingest, samples
from earmark.corpus.imports import retry_failed, run_undo, undo
from earmark.corpus.ingest import run_ingest, submit_ingest
from earmark.corpus.models import Clip, Import, Recording, Reference, Speaker
from earmark.corpus.references import set_reference
from earmark.jobs.models import Job, Status
from earmark.speech.errors import EarmarkError
from tests.corpus import world
from tests.speech.audio_files import encoded, talk, write

pytestmark = pytest.mark.django_db


def test_failed_files_are_looked_at_again_and_only_they(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 0.5)
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    made, _ = world.bring_in(world.collection(), tmp_path)
    assert world.outcome_of(made)["bad.wav"] == ("failed", "corpus:audio:unreadable")
    write(tmp_path / "bad.wav", 0.7)
    run_ingest(world.Context(), **retry_failed(made=made, by=None).arguments)
    assert world.outcome_of(made) == {"bad.wav": ("ingested", ""), "good.wav": ("ingested", "")}
    with pytest.raises(EarmarkError) as caught:
        retry_failed(made=made, by=None)
    assert caught.value.error_id == "corpus:import:nothing-failed"


def test_an_import_is_undone_with_its_bytes_and_nothing_else(
    tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "RECORDINGS_AT_ONCE", 2)
    into, other = world.collection("one"), world.collection("two")
    for number in range(5):
        write(tmp_path / "new" / f"{number}.wav", 0.5 + number / 10)
    (tmp_path / "old").mkdir()
    shutil.copy(tmp_path / "new" / "0.wav", tmp_path / "old")
    (tmp_path / "m.csv").write_text(
        "path,speaker,text\n1.wav,anna,hello\n2.wav,anna,\n3.wav,,\n4.wav,,\n0.wav,,\n"
    )
    earlier, _ = world.bring_in(into, tmp_path / "old")
    world.bring_in(other, tmp_path / "old")
    shared, _ = world.bring_in(other, tmp_path / "new")
    made, found = world.bring_in(into, tmp_path / "new", tmp_path / "m.csv")
    assert (found["ingested"], found["duplicate"]) == (4, 1)
    samples.clip_flac(Clip.objects.get(recording__name="1.wav", collection=into))
    undo(made=made, by=None)
    assert run_undo(world.Context(), import_id=made.pk) == {"recordings": 4}
    assert list(Recording.objects.filter(collection=into).values_list("name", flat=True)) == ["0.wav"]
    assert Recording.objects.filter(collection=other).count() == 5
    assert Speaker.objects.get().name == "anna"
    undo(made=shared, by=None)
    run_undo(world.Context(), import_id=shared.pk)
    kept = [path for path in media.rglob("*") if path.is_file()]
    assert [path.parent.parent.name for path in kept] == ["recordings"]
    assert not list(media.glob("clips-*/*/*"))
    assert earlier.files.get().recording is not None
    for again in (lambda: undo(made=made, by=None), lambda: retry_failed(made=made, by=None)):
        with pytest.raises(EarmarkError) as caught:
            again()
        assert caught.value.error_id == "corpus:import:undone"


def test_an_import_that_people_worked_on_stays(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 0.5)
    made, _ = world.bring_in(world.collection(), tmp_path)
    set_reference(clip_id=Clip.objects.get().pk, text="a", kind=Reference.Kind.ANNOTATOR, author="anna")
    with pytest.raises(EarmarkError, match="references") as caught:
        undo(made=made, by=None)
    assert caught.value.error_id == "corpus:import:in-use"
    made.refresh_from_db()
    assert made.undone_at is None
    assert Clip.objects.exists()


def test_what_failed_stays_on_record_while_its_source_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bad.wav").write_bytes(b"no sound")
    made, _ = world.bring_in(world.collection(), folder)
    shutil.rmtree(folder)
    again = retry_failed(made=made, by=None)
    again.refresh_from_db()
    with pytest.raises(EarmarkError) as caught:
        run_ingest(world.Context(), **again.arguments)
    assert caught.value.error_id == "corpus:import:no-folder"
    assert world.outcome_of(made) == {"bad.wav": ("failed", "corpus:audio:unreadable")}


def test_failed_files_are_not_forgotten_under_the_job_that_is_past_them(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    made, _ = world.bring_in(world.collection(), tmp_path)
    Job.objects.update(status=Status.RUNNING)
    with pytest.raises(EarmarkError) as caught:
        retry_failed(made=made, by=None)
    assert caught.value.error_id == "corpus:import:busy"
    assert world.outcome_of(made) == {"bad.wav": ("failed", "corpus:audio:unreadable")}


def undone(made: Import) -> None:
    undo(made=made, by=None)
    run_undo(world.Context(), import_id=made.pk)


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Have `act` happen once, between an import's looking at its files and its writing down what they are."""
    written = ingest.record

    def record(*args: Any) -> None:
        monkeypatch.setattr(ingest, "record", written)
        act()
        written(*args)

    monkeypatch.setattr(ingest, "record", record)


def test_an_import_that_is_undone_as_it_comes_in_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.wav", 0.5)
    made, job = submit_ingest(collection=world.collection(), source=tmp_path)
    meanwhile(monkeypatch, lambda: undone(made))
    for _attempt in range(2):
        with pytest.raises(EarmarkError) as caught:
            run_ingest(world.Context(), import_id=made.pk)
        assert caught.value.error_id == "corpus:import:undone"
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert not Recording.objects.exists()


@pytest.mark.parametrize("where", ["one", "two"])
def test_bytes_that_an_undo_takes_away_as_they_come_in_again_are_not_missed_later(
    tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    write(tmp_path / "a.wav", 0.5)
    first, _ = world.bring_in(world.collection("one"), tmp_path)
    into = first.collection if where == "one" else world.collection(where)
    meanwhile(monkeypatch, lambda: undone(first))
    second, _ = world.bring_in(into, tmp_path)
    assert world.outcome_of(second) == {"a.wav": ("failed", "corpus:import:overtaken")}
    run_ingest(world.Context(), **retry_failed(made=second, by=None).arguments)
    assert (media / (Recording.objects.get().file.name or "")).is_file()


def test_an_undo_that_broke_off_may_be_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "RECORDINGS_AT_ONCE", 1)
    for number in range(3):
        write(tmp_path / f"{number}.wav", 0.5 + number / 10)
    made, _ = world.bring_in(world.collection(), tmp_path)
    undo(made=made, by=None)
    with pytest.raises(world.StoppedError):
        run_undo(world.Context(stop_after=1), import_id=made.pk)
    Job.objects.update(status=Status.FAILED)
    assert Recording.objects.count() == 2
    undone(made)
    assert not Recording.objects.exists()


def test_copies_of_what_is_undone_have_their_sound_to_themselves(tmp_path: Path) -> None:
    into = world.collection()
    made = []
    said = talk(10)
    for name in ("a.flac", "b.wav", "c.ogg"):
        (tmp_path / name[0]).mkdir()
        (tmp_path / name[0] / name).write_bytes(encoded(said, 16_000, name[2:]))
        made.append(world.bring_in(into, tmp_path / name[0])[0])
    a, b, c = (list(Clip.objects.filter(recording__name__startswith=name)) for name in "abc")
    assert {clip.duplicate_of for clip in (*b, *c)} <= {*a}
    undone(made[0])
    for clip in (*b, *c):
        clip.refresh_from_db()
    assert {(clip.duplicate_of, clip.unfit, clip.is_fit) for clip in b} == {(None, "", True)}
    assert {(clip.unfit, clip.is_fit) for clip in c} == {("duplicate", False)}
    assert {clip.duplicate_of for clip in c} <= {*b}
