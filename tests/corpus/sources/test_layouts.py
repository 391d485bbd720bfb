"""Layouts written by hand: what each says of its files, and what it may not say."""

import gzip
import json
from pathlib import Path

import pytest

from earmark.corpus.manifest import Row, Utterance
from earmark.corpus.sources import RefusedFileError
from earmark.corpus.sources.layouts import lhotse
from earmark.speech.errors import EarmarkError
from tests.corpus.sources.places import brought, laid, rows_of, source_at

KALDI = {
    "wavs/r1.wav": "1",
    "wavs/r2.wav": "2",
    "data/train/wav.scp": "r1 wavs/r1.wav\nr2 ./wavs/r2.wav\n",
    "data/train/segments": "u2 r1 10.5 12.25\nu1 r1 0 3\n",
    "data/train/text": "u1 你好 吗\nu2 two\nr2 the whole\n",
    "data/train/utt2spk": "u1 anna\nu2 bo\nr2 r2\n",
    "data/train/utt2lang": "u1 zh\nu2 english\n",
    "data/train/spk2gender": "anna f\n",
}


def test_kaldi(tmp_path: Path) -> None:
    rows = rows_of(laid(tmp_path, KALDI), layout="kaldi")
    assert rows == {
        "wavs/r1.wav": Row(
            "wavs/r1.wav",
            split="train",
            utterances=(
                Utterance(0.0, 3.0, "你好 吗", "anna", None, "zh"),
                Utterance(10.5, 1.75, "two", "bo", None, "en"),
            ),
        ),
        "wavs/r2.wav": Row("wavs/r2.wav", split="train", text="the whole"),
    }


def test_a_data_directory_apart_from_the_audio(tmp_path: Path) -> None:
    laid(tmp_path, {f"corpus/{name}": data for name, data in KALDI.items() if name.startswith("wavs")})
    laid(tmp_path, {name: data for name, data in KALDI.items() if name.startswith("data")})
    rows = rows_of(tmp_path / "corpus", layout="kaldi", manifest=tmp_path / "data/train")
    assert rows["wavs/r2.wav"] == Row("wavs/r2.wav", split="train", text="the whole")


def test_a_pipe_is_refused_and_never_run(tmp_path: Path) -> None:
    scp = f"r1 touch {tmp_path}/done |\nr2 {tmp_path}/wavs/r2.wav\nr3 feats.ark:1234\nr4 ../out.wav\nr5 /etc/passwd\n"
    folder = laid(
        tmp_path / "in", {"wavs/r2.wav": "2", "wav.scp": scp.replace(str(tmp_path), str(tmp_path / "in"))}
    )
    laid(tmp_path, {"out.wav": "x"})
    assert brought(source_at(folder, layout="kaldi")) == {
        "wavs/r2.wav": b"2",
        f"touch {tmp_path}/in/done |": "corpus:import:pipe",
        "feats.ark:1234": "corpus:audio:unsupported",
        "../out.wav": "corpus:import:outside",
        "/etc/passwd": "corpus:import:outside",
    }
    assert not (folder / "done").exists()


NEMO = """{"audio_filepath": "audio/a.wav", "duration": 2.5, "text": "hello", "speaker": 7, "lang": "en"}
{"audio_filepath": "audio/b.wav", "offset": 4.5, "duration": 2.0, "text": "two", "speaker": "bo"}

{"audio_filepath": "audio/b.wav", "offset": 1, "duration": 0.5, "text": "one", "speaker": "anna"}
"""


@pytest.mark.parametrize("name", ["train.json", "train/manifest.json", "manifest_train.jsonl"])
def test_nemo(tmp_path: Path, name: str) -> None:
    laid(tmp_path, {name: NEMO, "other.json": '{"a": 1}', "audio/a.wav": "a", "audio/b.wav": "b"})
    assert rows_of(tmp_path, layout="nemo") == {
        "audio/a.wav": Row("audio/a.wav", text="hello", speaker="7", language="en", split="train"),
        "audio/b.wav": Row(
            "audio/b.wav",
            split="train",
            utterances=(Utterance(1.0, 0.5, "one", "anna"), Utterance(4.5, 2.0, "two", "bo")),
        ),
    }


def test_nemo_finds_files_beside_the_manifest_first_and_by_whole_paths(tmp_path: Path) -> None:
    laid(tmp_path, {"deep/a.wav": "a", "a.wav": "x", "b.wav": "b"})
    paths = ("a.wav", f"{tmp_path}/b.wav", "/etc/x.wav")
    lines = "".join(json.dumps({"audio_filepath": path}) + "\n" for path in paths)
    laid(tmp_path, {"deep/m.json": lines})
    assert brought(source_at(tmp_path, layout="nemo")) == {
        "deep/a.wav": b"a",
        "b.wav": b"b",
        "/etc/x.wav": "corpus:import:outside",
    }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            '{"audio_filepath": "a.wav", "offset": "x", "duration": 1}',
            "line 2, column 'offset': 'x' is no number",
        ),
        ('{"audio_filepath": "a.wav", "offset": NaN, "duration": 1}', "column 'offset': nan is no number"),
        (
            '{"audio_filepath": "a.wav", "offset": 0, "duration": true}',
            "column 'duration': True is no number",
        ),
        ('{"audio_filepath": "a.wav", "text": ["x"]}', "column 'text': ['x'] is no text"),
        (
            '{"audio_filepath": "a.wav", "lang": "Klingonish"}',
            "column 'language': 'Klingonish' is no language code",
        ),
        ('{"text": "x"}', "line 2: no audio_filepath"),
        ('{"audio_filepath": "b.wav"}', "'b.wav' is described more than once"),
        ("[", "line 2: not JSON"),
    ],
)
def test_a_wrong_value_refuses_the_manifest_by_its_line(tmp_path: Path, line: str, says: str) -> None:
    laid(tmp_path, {"m.json": '{"audio_filepath": "b.wav"}\n' + line})
    with pytest.raises(EarmarkError) as caught:
        rows_of(tmp_path, layout="nemo")
    assert caught.value.error_id.startswith("corpus:manifest:")
    assert says in caught.value.message


def test_common_voice(tmp_path: Path) -> None:
    head = "client_id\tpath\tsentence\tup_votes\taccents\tvariant\tlocale\n"
    one, other = "a" * 128, "b" * 128
    laid(
        tmp_path / "cv/zh-HK",
        {
            "clips/1.mp3": "1", "clips/2.mp3": "2", "clips/3.mp3": "3", "clips/4.mp3": "4",
            "validated.tsv": head + f'{one}\t1.mp3\tHe said "hi"\t2\t\t\tzh-HK\n{other}\t2.mp3\t二\t2\t香港\t\tzh-HK\n'
            f"{one}\t3.mp3\tthree\t2\t\t\tzh-HK\n",
            "test.tsv": head + f'{one}\t1.mp3\tHe said "hi"\t2\t\t\tzh-HK\n',
            "invalidated.tsv": head + f"{one}\t4.mp3\tno\t2\t\t\tzh-HK\n",
        },
    )  # fmt: skip
    with source_at(tmp_path, layout="common_voice") as source:
        listed = source.rows()
    assert listed.left_aside == {".tsv": 3, "not in the manifest": 1}
    of_all = {"language": "zh-HK", "licence": "CC0-1.0"}
    assert listed.rows == [
        Row("cv/zh-HK/clips/1.mp3", text='He said "hi"', speaker="a" * 32, split="test", **of_all),
        Row("cv/zh-HK/clips/2.mp3", text="二", speaker="b" * 32, dialect="香港", **of_all),
        Row("cv/zh-HK/clips/3.mp3", text="three", speaker="a" * 32, split="test", **of_all),
    ]


def test_an_audiofolder_in_parts(tmp_path: Path) -> None:
    laid(
        tmp_path,
        {
            "train/x/1.wav": "1", "test/2.wav": "2", "3.wav": "3",
            "train/metadata.csv": 'file_name,transcription,speaker_id\nx/1.wav,"one, two",7\n',
            "test/metadata.jsonl": '{"file_name": "2.wav", "text": "two", "speaker_id": 8, "language": "cantonese"}\n',
        },
    )  # fmt: skip
    assert rows_of(tmp_path, layout="audiofolder") == {
        "test/2.wav": Row("test/2.wav", text="two", speaker="8", language="yue", split="test"),
        "train/x/1.wav": Row("train/x/1.wav", text="one, two", speaker="7", split="train"),
    }


def lhotse_lines(source: str) -> str:
    return f'{{"id": "r", "sources": [{source}], "sampling_rate": 16000, "num_samples": 32000, "duration": 2.0}}\n'


@pytest.mark.parametrize(
    ("recording", "error_id"),
    [
        (lhotse_lines('{"type": "command", "channels": [0], "source": "touch done"}'), "corpus:import:pipe"),
        (
            lhotse_lines('{"type": "url", "channels": [0], "source": "http://x/a.wav"}'),
            "corpus:import:address",
        ),
        (
            lhotse_lines('{"type": "file", "channels": [0], "source": "s3://x/a.wav"}'),
            "corpus:import:address",
        ),
        (lhotse_lines('{"type": "memory", "channels": [0], "source": "abc"}'), "corpus:audio:unsupported"),
        (lhotse_lines('{"type": "file", "channels": [0], "source": "../a.wav"}'), "corpus:import:outside"),
        (
            lhotse_lines('{"type": "file", "source": "a.wav"}, {"type": "file", "source": "b.wav"}'),
            "corpus:audio:unsupported",
        ),
        (
            lhotse_lines('{"type": "file", "source": "a.wav"}').replace(
                "}\n", ', "transforms": [{"name": "Speed"}]}'
            ),
            "corpus:audio:unsupported",
        ),
    ],
)
def test_lhotse_recordings_that_are_no_plain_file_are_refused(
    tmp_path: Path, recording: str, error_id: str
) -> None:
    supervision = '{"id": "s", "recording_id": "r", "start": 0, "duration": 2, "channel": 0, "text": "x"}\n'
    laid(tmp_path, {"a.wav": "a", "recordings.jsonl": recording, "supervisions.jsonl": supervision})
    assert list(brought(source_at(tmp_path, layout="lhotse")).values()) == [error_id]


def test_a_mixed_cut_is_refused(tmp_path: Path) -> None:
    laid(tmp_path, {"cuts.jsonl": '{"id": "m1", "type": "MixedCut", "tracks": []}\n'})
    with source_at(tmp_path, layout="lhotse") as source:
        (row,) = source.rows().rows
        with pytest.raises(RefusedFileError, match="MixedCut"), source.opened(row):
            pass


def test_a_supervision_of_an_unknown_recording_is_a_wrong_value(tmp_path: Path) -> None:
    supervision = '{"id": "s", "recording_id": "x", "start": 0, "duration": 2, "channel": 0, "text": "x"}\n'
    recording = lhotse_lines('{"type": "file", "source": "a.wav"}')
    laid(tmp_path, {"a.wav": "a", "recordings.jsonl": recording, "supervisions.jsonl": supervision})
    with pytest.raises(EarmarkError, match="'x' is in no manifest of recordings"):
        rows_of(tmp_path, layout="lhotse")


def test_a_gzip_that_is_cut_off_or_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(lhotse_lines('{"type": "file", "source": "a.wav"}').encode() * 100)
    laid(tmp_path, {"recordings.jsonl.gz": packed[:-20], "supervisions.jsonl.gz": gzip.compress(b"")})
    with pytest.raises(EarmarkError, match="no whole gzip file"):
        rows_of(tmp_path, layout="lhotse")
    laid(tmp_path, {"recordings.jsonl.gz": packed})
    monkeypatch.setattr(lhotse, "LARGEST_TEXT", 1000)
    with pytest.raises(EarmarkError, match="larger than"):
        rows_of(tmp_path, layout="lhotse")


def test_a_description_may_not_lie_outside_by_a_link(tmp_path: Path) -> None:
    laid(tmp_path, {"out/wav.scp": "a a.wav\n"})
    (tmp_path / "in").mkdir()
    (tmp_path / "in/wav.scp").symlink_to(tmp_path / "out/wav.scp")
    with pytest.raises(EarmarkError) as caught:
        rows_of(tmp_path / "in", layout="kaldi")
    assert caught.value.error_id == "corpus:import:outside"
