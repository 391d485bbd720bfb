"""What the field's own libraries write comes in complete: every file, text, speaker, language, side."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from lhotse import (
    CutSet,
    MonoCut,
    Recording,
    RecordingSet,
    SupervisionSegment,
    SupervisionSet,
)
from lhotse.kaldi import export_to_kaldi

from earmark.corpus.manifest import Row, Utterance
from tests.corpus.sources.places import brought, rows_of, source_at, tarred
from tests.speech.audio_files import write

SPOKEN = {
    "talk": [("anna", 0.25, 1.5, "早晨 你好", "Cantonese"), ("bo", 2.0, 1.125, "good morning", "English")],
    "one": [("cy", 0.0, 2.0, "alone", "English")],
    "two": [("anna", 0.0, 1.0, "again", "Cantonese")],
}
SECONDS = {"talk": 4.0, "one": 2.0, "two": 1.0}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for number, (name, seconds) in enumerate(SECONDS.items()):
        write(tmp_path / "audio" / f"{name}.wav", seconds, hertz=200.0 + number)
    return tmp_path


def manifests(corpus: Path) -> tuple[RecordingSet, SupervisionSet]:
    recordings = [Recording.from_file(corpus / "audio" / f"{name}.wav", recording_id=name) for name in SPOKEN]
    supervisions = [
        SupervisionSegment(
            id=f"{name}-{number}",
            recording_id=name,
            start=start,
            duration=seconds,
            channel=0,
            text=text,
            language=language,
            speaker=speaker,
            custom={"dialect": "hong kong"} if language == "Cantonese" else None,
        )
        for name, ones in SPOKEN.items()
        for number, (speaker, start, seconds, text, language) in enumerate(ones)
    ]
    return RecordingSet.from_recordings(recordings), SupervisionSet.from_segments(supervisions)


def test_lhotse_recordings_and_supervisions(corpus: Path) -> None:
    recordings, supervisions = manifests(corpus)
    recordings.to_file(corpus / "talks_recordings_dev.jsonl.gz")
    supervisions.to_file(corpus / "talks_supervisions_dev.jsonl.gz")
    check(rows_of(corpus, layout="lhotse"), split="dev")


@pytest.mark.parametrize("is_trimmed", [False, True])
def test_lhotse_cuts(corpus: Path, is_trimmed: bool) -> None:
    recordings, supervisions = manifests(corpus)
    cuts = CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
    (cuts.trim_to_supervisions() if is_trimmed else cuts).to_file(corpus / "test_cuts.jsonl")
    check(rows_of(corpus, layout="lhotse"), split="test")


def test_a_lhotse_cut_of_two_channels_keeps_them_apart(corpus: Path) -> None:
    write(corpus / "audio" / "call.wav", 3.0, channels=2)
    recording = Recording.from_file(corpus / "audio" / "call.wav")
    heard = [
        SupervisionSegment(f"s{channel}", recording.id, 0.5, 1.0, channel=channel, text=text, speaker=text)
        for channel, text in enumerate(("agent", "caller"))
    ]
    cuts = [
        MonoCut(f"c{one.channel}", 0.25, 2.0, one.channel, supervisions=[one], recording=recording)
        for one in heard
    ]
    CutSet.from_cuts(cuts).to_file(corpus / "cuts.jsonl.gz")
    assert rows_of(corpus, layout="lhotse")["audio/call.wav"].utterances == (
        Utterance(0.75, 1.0, "agent", "agent", 0),
        Utterance(0.75, 1.0, "caller", "caller", 1),
    )


def test_a_kaldi_directory_that_lhotse_wrote(corpus: Path) -> None:
    recordings, supervisions = manifests(corpus)
    export_to_kaldi(recordings, supervisions, corpus / "data" / "train")
    assert "|" not in (corpus / "data/train/wav.scp").read_text()
    check(rows_of(corpus, layout="kaldi"), split="train", dialect="", marked_all=True)


def test_pipes_that_lhotse_writes_for_kaldi_are_refused(corpus: Path) -> None:
    write(corpus / "audio" / "call.wav", 3.0, channels=2)
    recording = Recording.from_file(corpus / "audio" / "call.wav")
    heard = [
        SupervisionSegment(f"s{channel}", recording.id, 0.5, 1.0, channel=channel, text="x", speaker="y")
        for channel in (0, 1)
    ]
    export_to_kaldi(
        RecordingSet.from_recordings([recording]),
        SupervisionSet.from_segments(heard),
        corpus / "data" / "test",
    )
    assert "|" in (corpus / "data/test/wav.scp").read_text()
    assert set(brought(source_at(corpus, layout="kaldi")).values()) == {"corpus:import:pipe"}


def check(rows: dict[str, Row], *, split: str, dialect: str = "hong kong", marked_all: bool = False) -> None:
    """The rows hold all that SPOKEN says."""
    codes = {"Cantonese": "yue", "English": "en"}
    assert set(rows) == {f"audio/{name}.wav" for name in SPOKEN}
    for name, ones in SPOKEN.items():
        row = rows[f"audio/{name}.wav"]
        assert row.split == split
        if row.utterances:
            told: list[tuple[Any, ...]] = [
                (one.speaker, one.start, one.seconds, one.text, one.language) for one in row.utterances
            ]
        else:
            told = [(row.speaker, 0.0, SECONDS[name], row.text, row.language)]
        assert bool(row.utterances) == (marked_all or len(ones) > 1)
        assert told == [
            (who, pytest.approx(start), pytest.approx(seconds), text, codes[language])
            for who, start, seconds, text, language in ones
        ]
    assert rows["audio/two.wav"].dialect == dialect


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_audiofolder_that_datasets_wrote_and_reads_alike(corpus: Path, kind: str) -> None:
    parts = {"train": ["talk", "one"], "validation": ["two"]}
    root = corpus / "hub"
    for part, names in parts.items():
        (root / part).mkdir(parents=True)
        for name in names:
            (corpus / "audio" / f"{name}.wav").rename(root / part / f"{name}.wav")
        table = datasets.Dataset.from_dict(
            {
                "file_name": [f"{name}.wav" for name in names],
                "transcription": [f'text, of "{name}" 你好' for name in names],
                "speaker_id": [f"speaker {name}" for name in names],
                "language": ["yue"] * len(names),
            }
        )
        if kind == "csv":
            table.to_csv(root / part / "metadata.csv", index=False)
        else:
            table.to_json(root / part / "metadata.jsonl", force_ascii=False)
    rows = rows_of(root, layout="audiofolder")

    command = [
        sys.executable,
        "-m",
        "tests.corpus.sources.read_audiofolder",
        str(root),
        str(corpus / "cache"),
    ]
    theirs = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    expected = {
        Row(
            str(Path(one["audio"]).relative_to(root)),
            text=one["transcription"],
            speaker=one["speaker_id"],
            language=one["language"],
            split={"train": "train", "validation": "dev"}[one["part"]],
        )
        for one in theirs
    }
    assert set(rows.values()) == expected
    assert len(expected) == 3


def test_a_common_voice_archive_with_its_own_reader_of_tables(corpus: Path) -> None:
    table = datasets.Dataset.from_dict(
        {
            "client_id": ["c1" * 64, "c2" * 64],
            "path": ["one.mp3", "two.mp3"],
            "sentence": ["Ein Satz.", "Zwei Sätze"],
            "locale": ["de", "de"],
        }
    )
    table.to_csv(corpus / "validated.tsv", sep="\t", index=False)
    audio = {name: write(corpus / name, 0.5).read_bytes() for name in ("one.mp3", "two.mp3")}
    files = {f"cv/de/clips/{name}": data for name, data in audio.items()}
    files["cv/de/validated.tsv"] = (corpus / "validated.tsv").read_bytes()
    archive = tarred(corpus / "cv-de.tar.gz", files)
    with source_at(archive, layout="common_voice") as source:
        assert brought(source) == {f"cv/de/clips/{name}": data for name, data in audio.items()}
        rows = source.rows().rows
    assert [(row.text, row.speaker, row.language) for row in rows] == [
        ("Ein Satz.", "c1" * 16, "de"),
        ("Zwei Sätze", "c2" * 16, "de"),
    ]
