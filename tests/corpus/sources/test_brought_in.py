"""Each layout comes in complete: clips, speakers, languages, sides, and references of the kind imported."""

import json
from pathlib import Path

import datasets
import pytest
from lhotse import CutSet, Recording, RecordingSet, SupervisionSegment, SupervisionSet
from lhotse.kaldi import export_to_kaldi

from earmark.corpus import ingest
from earmark.corpus.ingest import run_ingest, submit_ingest
from earmark.corpus.models import Clip, Reference
from earmark.corpus.sources import passing
from tests.corpus import world
from tests.corpus.sources.places import laid, tarred, zipped
from tests.speech.audio_files import write

pytestmark = pytest.mark.django_db

SAID = [
    ("talk", "anna", 0.25, 1.5, "早晨 你好"),
    ("talk", "bo", 2.0, 1.125, "good morning"),
    ("one", "cy", 0.0, 2.0, "alone"),
]
SECONDS = {"talk": 4.0, "one": 2.0}


def with_lhotse(folder: Path, layout: str) -> None:
    recordings = RecordingSet.from_recordings(
        Recording.from_file(folder / f"{name}.wav", recording_id=name) for name in SECONDS
    )
    heard = SupervisionSet.from_segments(
        SupervisionSegment(f"u{number}", of, start, seconds, 0, text, "Cantonese", speaker)
        for number, (of, speaker, start, seconds, text) in enumerate(SAID)
    )
    if layout == "kaldi":
        export_to_kaldi(recordings, heard, folder / "test")
    elif layout == "cuts":
        CutSet.from_manifests(recordings=recordings, supervisions=heard).to_file(
            folder / "cuts_test.jsonl.gz"
        )
    else:
        recordings.to_file(folder / "recordings_test.jsonl.gz")
        heard.to_file(folder / "supervisions_test.jsonl.gz")


def by_hand(folder: Path) -> None:
    lines = (
        json.dumps(
            {
                "audio_filepath": f"{of}.wav",
                "offset": start,
                "duration": seconds,
                "text": text,
                "speaker": speaker,
            }
            | {"lang": "yue"}
        )
        + "\n"
        for of, speaker, start, seconds, text in SAID
    )
    laid(folder, {"test.json": "".join(lines)})


@pytest.mark.parametrize("layout", ["lhotse", "cuts", "kaldi", "nemo"])
def test_marked_stretches_come_in_with_all_that_is_said_of_them(tmp_path: Path, layout: str) -> None:
    for number, (name, seconds) in enumerate(SECONDS.items()):
        write(tmp_path / f"{name}.wav", seconds, hertz=200.0 + 20 * number)
    if layout == "nemo":
        by_hand(tmp_path)
    else:
        with_lhotse(tmp_path, layout)
    made, result = world.bring_in(world.collection(), tmp_path, layout=layout.replace("cuts", "lhotse"))
    assert (result["ingested"], result["failed"]) == (2, 0)
    assert set(made.files.values_list("error_id", flat=True)) == {""}
    found = {
        (clip.recording.name, clip.speaker.name, clip.start, clip.seconds, clip.references.get().text)
        for clip in Clip.objects.select_related("recording", "speaker")
    }
    assert found == {
        (f"{of}.wav", speaker, start, seconds, text) for of, speaker, start, seconds, text in SAID
    }
    assert set(Reference.objects.values_list("kind", flat=True)) == {Reference.Kind.IMPORTED}
    assert set(Clip.objects.values_list("language", "split", "state")) == {
        ("yue", "test", Clip.State.LABELLED)
    }


def test_stretches_that_cannot_be_clips_are_told_of(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 40.0)
    scp, text = "a a.wav\n", "u1 one\nu2 two\nu3 three\nu4 four\n"
    segments = "u1 a 0 31\nu2 a 5 8\nu3 a 50 52\nu4 a 3 -1\n"
    laid(tmp_path, {"wav.scp": scp, "text": text, "segments": segments})
    made, _ = world.bring_in(world.collection(), tmp_path, layout="kaldi")
    line = made.files.get()
    assert line.outcome == "ingested"
    assert line.error_id
    assert Reference.objects.get().text == "two"
    for start in ("0.000 s", "50.000 s", "3.000 s"):
        assert start in line.error


@pytest.mark.parametrize("name", ["calls.zip", "calls.tar", "calls.tar.gz"])
def test_an_archive_broken_off_on_the_way_goes_on(
    tmp_path: Path, var: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(ingest, "FILES_AT_ONCE", 2)
    files = {}
    for number in range(9):
        path = write(tmp_path / "x.wav", 0.3 + number / 50)
        files[f"{9 - number}.wav"] = path.read_bytes()
    archive = (zipped if name.endswith("zip") else tarred)(tmp_path / name, files)
    made, _ = submit_ingest(collection=world.collection(), source=archive)
    real, calls = ingest.record, []

    def breaks(*words: object) -> None:
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest, "record", breaks)
    with pytest.raises(KeyboardInterrupt):
        run_ingest(world.Context(), import_id=made.pk)
    assert Clip.objects.count() == 4
    result = run_ingest(world.Context(), import_id=made.pk)
    assert (result["ingested"], result["duplicate"], result["failed"]) == (9, 0, 0)
    assert Clip.objects.count() == 9
    assert list((var / passing.FOLDER).iterdir()) == []


def test_an_audiofolder_comes_in_with_its_texts_speakers_and_sides(tmp_path: Path) -> None:
    for part, names in {"train": ["a", "b"], "test": ["c"]}.items():
        for name in names:
            write(tmp_path / part / f"{name}.wav", 0.5 + 0.1 * len(name) + ord(name) / 1000)
        table = datasets.Dataset.from_dict(
            {
                "file_name": [f"{name}.wav" for name in names],
                "transcription": [f"said in {name}" for name in names],
                "speaker_id": [f"speaker {name}" for name in names],
            }
        )
        table.to_csv(tmp_path / part / "metadata.csv", index=False)
    made, _ = world.bring_in(world.collection(), tmp_path, layout="audiofolder")
    assert set(world.outcome_of(made).values()) == {("ingested", "")}
    assert _come_in() == {
        ("a", "speaker a", "train", "said in a"),
        ("b", "speaker b", "train", "said in b"),
        ("c", "speaker c", "test", "said in c"),
    }


def test_common_voice_comes_in_with_its_texts_speakers_and_sides(tmp_path: Path) -> None:
    for part, name in {"train": "a", "dev": "b", "test": "c"}.items():
        write(tmp_path / "cv" / "yue" / "clips" / f"{name}.mp3", 0.5 + ord(name) / 1000)
        said = {
            "client_id": [name * 64],
            "path": [f"{name}.mp3"],
            "sentence": [f"said in {name}"],
            "locale": ["yue"],
        }
        datasets.Dataset.from_dict(said).to_csv(
            tmp_path / "cv" / "yue" / f"{part}.tsv", sep="\t", index=False
        )
    made, _ = world.bring_in(world.collection(), tmp_path / "cv" / "yue", layout="common_voice")
    assert set(world.outcome_of(made).values()) == {("ingested", "")}
    found = {(name, split, text) for name, _, split, text in _come_in()}
    assert found == {("a", "train", "said in a"), ("b", "dev", "said in b"), ("c", "test", "said in c")}
    assert set(Clip.objects.values_list("language", flat=True)) == {"yue"}
    assert len(set(Clip.objects.values_list("speaker", flat=True))) == 3


def _come_in() -> set[tuple[str, str, str, str]]:
    """File, speaker, side and imported text of every clip."""
    held = Reference.objects.filter(kind="imported").select_related("clip__recording", "clip__speaker")
    return {
        (Path(one.clip.recording.name).stem, one.clip.speaker.name, one.clip.split, one.text) for one in held
    }
