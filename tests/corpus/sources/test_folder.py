"""Folders: what is listed, which paths are followed, what options may be asked."""

import os
from pathlib import Path

import pytest

from earmark.corpus.manifest import Row
from earmark.corpus.sources import Options, source_for
from earmark.corpus.sources.options import Channels, Kind
from earmark.speech.errors import EarmarkError
from tests.corpus.sources.places import brought, laid, rows_of, source_at


def test_files_come_in_the_order_of_their_paths_and_are_opened_where_they_lie(tmp_path: Path) -> None:
    laid(tmp_path, {"b.wav": "b", "a/2.flac": "2", "a/1.mp3": "1", "notes.txt": "x", ".hidden/c.wav": "c"})
    source = source_at(tmp_path)
    listed = source.rows()
    assert [row.path for row in listed.rows] == ["b.wav", "a/1.mp3", "a/2.flac"]
    assert listed.left_aside == {".txt": 1, "hidden": 1}
    with source.opened(listed.rows[1]) as path:
        assert path == tmp_path / "a/1.mp3"


def test_a_link_is_followed_below_the_folder_and_refused_out_of_it(tmp_path: Path) -> None:
    folder = laid(tmp_path / "in", {"real/a.wav": "a"})
    laid(tmp_path / "out", {"secret.wav": "s"})
    (folder / "inner.wav").symlink_to("real/a.wav")
    (folder / "outer.wav").symlink_to(tmp_path / "out/secret.wav")
    (folder / "gone.wav").symlink_to("nowhere.wav")
    assert brought(source_at(folder)) == {
        "gone.wav": "missing",
        "inner.wav": b"a",
        "outer.wav": "corpus:import:outside",
        "real/a.wav": b"a",
    }


def test_a_link_as_the_folder_itself_is_followed(tmp_path: Path) -> None:
    laid(tmp_path / "real", {"a.wav": "a"})
    (tmp_path / "link").symlink_to("real")
    assert brought(source_at(tmp_path / "link")) == {"a.wav": b"a"}


@pytest.mark.parametrize(
    "path", ["../out/secret.wav", "/etc/passwd", "a/../../out/secret.wav", "door/secret.wav"]
)
def test_no_row_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    folder = laid(tmp_path / "in", {"a/a.wav": "a"})
    laid(tmp_path / "out", {"secret.wav": "s"})
    (folder / "door").symlink_to(tmp_path / "out")
    with source_at(folder) as source, pytest.raises(EarmarkError) as caught, source.opened(Row(path)):
        pass
    assert caught.value.error_id == "corpus:import:outside"


def test_our_own_manifest_says_what_comes_in(tmp_path: Path) -> None:
    laid(tmp_path, {"a.wav": "a", "b.wav": "b", "m.csv": "path,speaker\nb.wav,anna\nlost.wav,\n"})
    with source_at(tmp_path, manifest=tmp_path / "m.csv") as source:
        listed = source.rows()
    assert listed.rows == [Row("b.wav", speaker="anna"), Row("lost.wav")]
    assert listed.left_aside == {".csv": 1, "not in the manifest": 1}


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({"data/train/wav.scp": "a a.wav\n"}, "kaldi"),
        ({"zh/clips/a.mp3": "a", "zh/validated.tsv": "x"}, "common_voice"),
        ({"train/metadata.csv": "file_name\na.wav\n"}, "audiofolder"),
        ({"x_recordings_train.jsonl.gz": "", "x_supervisions_train.jsonl.gz": ""}, "lhotse"),
        ({"train.json": '{"audio_filepath": "a.wav"}\n'}, "nemo"),
    ],
)
def test_a_folder_that_looks_like_a_layout_is_asked_about(
    tmp_path: Path, files: dict[str, bytes | str], layout: str
) -> None:
    laid(tmp_path, {**files, "a.wav": "a"})
    with pytest.raises(EarmarkError, match=f"--layout {layout} ") as caught:
        source_at(tmp_path).check()
    assert caught.value.error_id == "corpus:import:layout"
    source_at(tmp_path, layout="files").check()
    source_at(tmp_path, layout=layout).check()


def test_a_layout_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    laid(tmp_path, {"wav.scp": "a a.wav\n"})
    with pytest.raises(EarmarkError, match="It looks like the layout kaldi") as caught:
        source_at(tmp_path, layout="lhotse").check()
    assert caught.value.error_id == "corpus:import:layout"


@pytest.mark.parametrize(
    ("asked", "error_id"),
    [
        ({"layout": "kaldy"}, "corpus:import:option"),
        ({"channels": "both"}, "corpus:import:option"),
        ({"speaker_from": "(?P<speaker>"}, "corpus:import:pattern"),
        ({"speaker_from": "[^/]+"}, "corpus:import:pattern"),
        ({"speaker_from": "(?P<age>x)"}, "corpus:import:pattern"),
        ({"speaker_from": "(?P<speaker>" + "x" * 600 + ")"}, "corpus:import:pattern"),
    ],
)
def test_options_that_cannot_be(asked: dict[str, str], error_id: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        Options.asked("/tmp", **asked)
    assert caught.value.error_id == error_id


def test_options_are_stored_and_found_again(tmp_path: Path) -> None:
    options = Options.asked(
        "s3://bucket/x",
        layout="nemo",
        speaker_from="(?P<speaker>x)",
        channels="split",
        manifest=tmp_path / "m",
    )
    assert (options.kind, options.channels) == (Kind.S3, Channels.SPLIT)
    assert Options.from_json(options.as_json()) == options
    assert Options.from_json({"manifest": "/a/m.csv"}) == Options(manifest="/a/m.csv")
    assert source_for(str(tmp_path), {}).options == Options()


def test_the_path_says_who_speaks_where_the_manifest_does_not(tmp_path: Path) -> None:
    laid(tmp_path, {"yue/train/anna/1.wav": "1", "zh/dev/bo/2.wav": "2", "3.wav": "3"})
    laid(tmp_path, {"m.csv": "path,speaker\nyue/train/anna/1.wav,\nzh/dev/bo/2.wav,Bo Li\n3.wav,\n"})
    rows = rows_of(
        tmp_path,
        manifest=tmp_path / "m.csv",
        speaker_from="^(?P<language>[^/]+)/(?P<split>[^/]+)/(?P<speaker>[^/]+)/[^/]+$",
    )
    assert rows == {
        "yue/train/anna/1.wav": Row("yue/train/anna/1.wav", speaker="anna", language="yue", split="train"),
        "zh/dev/bo/2.wav": Row("zh/dev/bo/2.wav", speaker="Bo Li", language="zh", split="dev"),
        "3.wav": Row("3.wav"),
    }


@pytest.mark.parametrize(
    ("speaker_from", "error_id", "says"),
    [
        ("(?P<speaker>x)/y/z", "corpus:import:pattern", "fits none of 2 paths"),
        ("^(?P<speaker>(a|aa)+)[^a.]", "corpus:import:pattern", "takes longer than 500 ms"),
        ("(?P<split>a)", "corpus:manifest:value", "'a' is no side"),
    ],
)
def test_patterns_that_do_no_good_stop_the_import(
    tmp_path: Path, speaker_from: str, error_id: str, says: str
) -> None:
    laid(tmp_path, {f"{'a' * 60}.wav": "1", "b.wav": "2"})
    with pytest.raises(EarmarkError, match=says) as caught:
        rows_of(tmp_path, speaker_from=speaker_from)
    assert caught.value.error_id == error_id


def test_a_name_that_is_not_text_is_listed_and_opened(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    laid(tmp_path, {name: "x"})
    assert brought(source_at(tmp_path)) == {name: b"x"}
