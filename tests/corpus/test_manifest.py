import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.corpus.manifest import COLUMNS, Row, read_manifest
from earmark.speech.errors import EarmarkError


def read(folder: Path, content: str | bytes, name: str = "m.csv") -> dict[str, Row]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_manifest(path)


def refusal(folder: Path, content: str | bytes, name: str = "m.csv") -> tuple[str, str]:
    with pytest.raises(EarmarkError) as caught:
        read(folder, content, name)
    assert caught.value.hint
    return caught.value.error_id, caught.value.message


def test_csv_with_what_excel_adds(tmp_path: Path) -> None:
    text = '\ufeffPath, Speaker ,text\r\na.wav,Anna,"one, two"\r\n,,\r\nb/c.wav,,"two\r\nlines"\r\n'
    assert read(tmp_path, text) == {
        "a.wav": Row("a.wav", speaker="Anna", text="one, two"),
        "b/c.wav": Row("b/c.wav", text="two\r\nlines"),
    }


def test_tabs_and_jsonl(tmp_path: Path) -> None:
    expected = {"录 音.wav": Row("录 音.wav", language="zh", split="dev")}
    assert read(tmp_path, "path\tlanguage\tsplit\n录 音.wav\tzh\tdev\n", "m.tsv") == expected
    line = json.dumps({"path": "./录 音.wav", "language": "zh", "split": "dev", "text": None})
    assert read(tmp_path, f"\n{line}\n", "m.jsonl") == expected


@pytest.mark.parametrize(
    ("content", "error_id", "says"),
    [
        ("", "column", "line 1, column 'path': this column is missing"),
        ("file,text\na,b\n", "column", "column 'path': this column is missing"),
        ("path,dialekt\n", "column", "line 1, column 'dialekt': this column is not known"),
        ("path,text,text\n", "column", "column 'text': this column is there twice"),
        ("path,text\na.wav\n", "format", "line 2: 1 fields where line 1 names 2 columns"),
        ("path,text\na.wav,one,two\n", "format", "line 2: 3 fields"),
        ('path\n"a.wav\n', "format", "not CSV"),
        ("path\na.wav\na.wav\n", "value", "line 3, column 'path': 'a.wav' is in an earlier line"),
        ("path\na.wav\n./a.wav\n", "value", "line 3, column 'path'"),
        ("path\n../a.wav\n", "value", "line 2, column 'path': '../a.wav' is no path below the folder"),
        ("path\n/etc/passwd\n", "value", "line 2, column 'path'"),
        ("path,text\n,x\n", "value", "line 2, column 'path': '' is no path"),
        ("path,split\na.wav,train\nb.wav,trian\n", "value", "line 3, column 'split': 'trian' is no side"),
        (
            "path,language\na.wav,English\n",
            "value",
            "line 2, column 'language': 'English' is no language code",
        ),
        (
            f"path,speaker\na.wav,{'x' * 121}\n",
            "value",
            "line 2, column 'speaker': 121 characters; the most is 120",
        ),
        ("path,text\na.wav,o\x00ne\n", "value", "line 2, column 'text'"),
        (
            "path,speaker,split\na.wav,anna,test\nb.wav,anna,train\n",
            "value",
            "line 3, column 'split': 'train', but line 2 says 'test' for the same speaker, 'anna'",
        ),
        ("path,speaker,split\na.wav,anna,test\nb.wav,anna,\n", "value", "line 3, column 'split'"),
        (b"path\na.wav\nb\xe9.wav\n", "format", "line 3: a byte that is not UTF-8 (0xe9)"),
    ],
)
def test_a_bad_csv_is_refused_by_line_and_column(
    tmp_path: Path, content: str | bytes, error_id: str, says: str
) -> None:
    found, message = refusal(tmp_path, content)
    assert found == f"corpus:manifest:{error_id}"
    assert message.startswith("Manifest 'm.csv'")
    assert says in message


@pytest.mark.parametrize(
    ("content", "error_id", "says"),
    [
        ('{"path": "a.wav"}\n{"path": \n', "format", "line 2: not JSON"),
        ('["a.wav"]', "format", "line 1: ['a.wav'] is no JSON object"),
        ('{"text": "x"}', "column", "line 1, column 'path': this column is missing"),
        ('{"path": "a.wav", "spk": "x"}', "column", "line 1, column 'spk'"),
        ('{"path": "a.wav", "speaker": 7}', "value", "line 1, column 'speaker': 7 is no text"),
        ('{"path": "a.wav", "text": "\\ud800"}', "value", "line 1, column 'text'"),
        ("[" * 100_000, "format", "line 1: not JSON"),
    ],
)
def test_a_bad_jsonl_is_refused_by_line_and_column(
    tmp_path: Path, content: str, error_id: str, says: str
) -> None:
    found, message = refusal(tmp_path, content, "m.jsonl")
    assert found == f"corpus:manifest:{error_id}"
    assert says in message


def test_another_ending_and_an_absent_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, "", "m.xlsx")[0] == "corpus:manifest:format"
    with pytest.raises(EarmarkError) as caught:
        read_manifest(tmp_path / "absent.csv")
    assert caught.value.error_id == "corpus:manifest:unreadable"


VALUE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "path": st.uuids().map(lambda one: f"x/{one}.wav"),
            "text": VALUE,
            "dialect": VALUE,
            "speaker": VALUE,
        }
    ),
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ROWS)
def test_what_is_written_is_read(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=["path", "text", "dialect", "speaker"])
    writer.writeheader()
    writer.writerows(rows)
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    expected = {row["path"]: Row(**row) for row in rows}
    assert read(tmp_path, written.getvalue()) == expected
    assert read(tmp_path, lines, "m.jsonl") == expected


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["m.csv", "m.tsv", "m.jsonl"]))
def test_whatever_the_bytes_it_is_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    try:
        rows = read(tmp_path, content, name)
    except EarmarkError as error:
        refused = error.error_id
    else:
        refused = "corpus:manifest:"
        assert all(isinstance(row, Row) for row in rows.values())
    assert refused.startswith("corpus:manifest:")


def test_the_columns_are_the_fields() -> None:
    assert tuple(Row.__dataclass_fields__) == (*COLUMNS, "channel_speakers", "utterances")


def test_each_channel_may_have_its_speaker(tmp_path: Path) -> None:
    rows = read(
        tmp_path, "path,speaker_1,speaker_0,speaker\na.wav,caller,agent,\nb.wav,caller,,\nc.wav,,,hall\n"
    )
    assert [rows["a.wav"].speaker_of(channel) for channel in range(3)] == ["agent", "caller", "a.ch2"]
    assert [rows["b.wav"].speaker_of(channel) for channel in range(2)] == ["b.ch0", "caller"]
    assert (rows["c.wav"].channel_speakers, rows["c.wav"].speaker_of(0)) == ((), "hall.ch0")


def test_a_voice_named_after_a_long_path_fits_and_is_its_own() -> None:
    one, other = (Row("x" * 200 + end).speaker_of(0) for end in "ab")
    assert len(one) == len(other) == 120
    assert one != other
    assert one.endswith(".ch0")


def test_a_speaker_of_a_channel_must_fit(tmp_path: Path) -> None:
    error_id, message = refusal(tmp_path, f"path,speaker_0\na.wav,{'x' * 121}\n")
    assert error_id == "corpus:manifest:value"
    assert "column 'speaker_0': 121 characters; the most is 120" in message
