"""Archives: members come one at a time and in any order, and nothing that is hostile gets out or in."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from earmark.corpus.manifest import Row
from earmark.corpus.sources import RefusedFileError, passing
from earmark.corpus.sources.archives import MOST_RATIO
from earmark.speech.errors import EarmarkError
from tests.corpus.sources.places import brought, rows_of, source_at, tarred, zipped

FILES = {
    "b/2.wav": b"two" * 50_000,
    "a.flac": b"one",
    "b/notes.txt": b"x",
    ".x/c.wav": b"c",
    "c.mp3": os.urandom(70_000),
}
NAMES = ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"]


def packed(path: Path, files: dict[str, bytes]) -> Path:
    return zipped(path, files) if path.suffix == ".zip" else tarred(path, files)


@pytest.mark.parametrize("name", NAMES)
def test_members_come_in_the_archives_order(tmp_path: Path, var: Path, name: str) -> None:
    with source_at(packed(tmp_path / name, FILES)) as source:
        source.check()
        assert brought(source) == {path: FILES[path] for path in ("b/2.wav", "a.flac", "c.mp3")}
        assert source.rows().left_aside == {".txt": 1, "hidden": 1}
        assert list((var / passing.FOLDER).iterdir()) == [], "a copy lasts as long as it is looked at"


@pytest.mark.parametrize("name", NAMES)
def test_members_are_found_in_any_order_and_several_at_once(tmp_path: Path, name: str) -> None:
    with source_at(packed(tmp_path / name, FILES)) as source:
        rows = {row.path: row for row in source.rows().rows}
        with source.opened(rows["c.mp3"]) as last, source.opened(rows["b/2.wav"]) as first:
            assert (last.read_bytes(), first.read_bytes()) == (FILES["c.mp3"], FILES["b/2.wav"])
        with source.opened(rows["a.flac"]) as path:
            assert path.read_bytes() == b"one"


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_layout_in_an_archive_is_read(tmp_path: Path, name: str) -> None:
    files = {
        "corpus/clips/a.mp3": b"a",
        "corpus/train.tsv": b"client_id\tpath\tsentence\tlocale\nc1\ta.mp3\thello\ten\n",
    }
    rows = rows_of(packed(tmp_path / name, files), layout="common_voice")
    assert rows["corpus/clips/a.mp3"].text == "hello"
    with pytest.raises(EarmarkError, match="--layout common_voice"):
        source_at(tmp_path / name).check()


HOSTILE_NAMES = {"../out.wav": b"1", "/etc/out.wav": b"2", "a/../../out.wav": b"3", "..\\other.wav": b"4"}


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_names_that_lead_out_are_refused_and_write_nothing(tmp_path: Path, var: Path, name: str) -> None:
    before = set(tmp_path.rglob("*"))
    with source_at(packed(tmp_path / name, {**HOSTILE_NAMES, "in.wav": b"5"})) as source:
        found = brought(source)
    assert found.pop("in.wav") == b"5"
    assert set(found.values()) == {"corpus:archive:outside"}
    assert len(found) == 4
    assert set(tmp_path.rglob("*")) - before == {tmp_path / name}


def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for number, kind in enumerate(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
        ):
            info = tarfile.TarInfo(f"{number}.wav")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert set(brought(source_at(path)).values()) == {"corpus:archive:no-file"}


def test_links_and_locked_members_of_a_zip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link.wav")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("lzma.wav", b"x", zipfile.ZIP_LZMA)
        archive.writestr("locked.wav", b"secret")
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(mark) + at] |= 1
    path.write_bytes(data)
    assert brought(source_at(path)) == {
        "link.wav": "corpus:archive:no-file",
        "lzma.wav": "corpus:archive:unsupported",
        "locked.wav": "corpus:archive:encrypted",
    }


def test_a_member_that_unpacks_out_of_all_proportion_is_refused(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "x.zip", {"bomb.wav": bytes(100 << 20), "a.wav": b"a"})
    assert brought(source_at(bomb)) == {"bomb.wav": "corpus:archive:bomb", "a.wav": b"a"}


def test_a_tar_that_unpacks_out_of_all_proportion_is_refused(tmp_path: Path, var: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        info = tarfile.TarInfo("bomb.wav")
        info.size = 1 << 33
        file.write(info.tobuf())
        for _ in range(100):
            file.write(bytes(1 << 20))
    assert path.stat().st_size * MOST_RATIO < 100 << 20
    with pytest.raises(EarmarkError) as caught:
        source_at(path).rows()
    assert caught.value.error_id == "corpus:archive:bomb"


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.wav": b"x" * 1000})
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + at, 10)
    path.write_bytes(data)
    assert brought(source_at(path))["a.wav"] == "corpus:archive:unreadable"


def test_members_inside_one_another_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.wav": b"x" * 1000, "b.wav": b"y" * 1000}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<I", data, second + 42, 0)
    path.write_bytes(data)
    with pytest.raises(EarmarkError) as caught:
        source_at(path).check()
    assert caught.value.error_id == "corpus:archive:bomb"


def test_a_directory_of_millions_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.wav": b"x"})
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 12, 0xFFFFFF00)
    path.write_bytes(data)
    with pytest.raises(EarmarkError) as caught:
        source_at(path).check()
    assert caught.value.error_id == "corpus:archive:too-many"


def test_a_header_about_a_header_is_not_read_into_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 1 << 34
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(EarmarkError) as caught:
        source_at(tmp_path / "x.tar").check()
    assert caught.value.error_id == "corpus:archive:unreadable"
    chain = b"".join(_pax() for _ in range(5000))
    (tmp_path / "y.tar").write_bytes(chain + bytes(1024))
    with pytest.raises(EarmarkError) as caught:
        source_at(tmp_path / "y.tar").check()
    assert caught.value.error_id == "corpus:archive:unreadable"


def _pax() -> bytes:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 14
    return info.tobuf(tarfile.USTAR_FORMAT) + b"14 path=x.wav\n".ljust(512, b"\0")


def test_archives_in_archives_and_doubles_are_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in (("a.wav", b"1"), ("in.zip", b"z"), ("deep.tar.gz", b"z"), ("a.wav", b"2")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with source_at(path) as source:
        assert brought(source) == {"a.wav": b"1"}
        assert source.rows().left_aside == {"archive in the archive": 2, "twice in the archive": 1}


@pytest.mark.parametrize("name", NAMES)
def test_half_an_archive_is_refused_whole(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name, {"a.wav": Random(1).randbytes(300_000), "b.wav": b"y"})
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(EarmarkError) as caught:
        source_at(path).rows()
    assert caught.value.error_id == "corpus:archive:unreadable"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "data", [b"", b"PK\x05\x06", b"no archive" * 100, b"\x1f\x8b\x08", b"BZh91AY", b"\xfd7zXZ\0\0"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(EarmarkError) as caught:
        source_at(tmp_path / name).check()
    assert caught.value.error_id == "corpus:archive:unreadable"


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_that_is_gone_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(EarmarkError, match="No such file") as caught:
        source_at(tmp_path / name).check()
    assert caught.value.error_id == "corpus:archive:unreadable"


def test_a_full_disk_stops_the_import_and_spoils_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with source_at(zipped(tmp_path / "x.zip", FILES)) as source:
        row = source.rows().rows[0]
        usage = type("Usage", (), {"free": passing.RESERVE + 10})
        monkeypatch.setattr(passing.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(EarmarkError) as caught, source.opened(row):
            pass
    assert caught.value.error_id == "corpus:import:no-room"
    assert not isinstance(caught.value, RefusedFileError)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_disk_that_fills_up_on_the_way_stops_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with source_at(packed(tmp_path / name, FILES)) as source:
        row = source.rows().rows[0]
        full = Path("/dev/full").open("wb")  # noqa: SIM115
        monkeypatch.setattr(passing.tempfile, "NamedTemporaryFile", lambda dir: full)
        with pytest.raises(EarmarkError) as caught, source.opened(row):
            pass
    assert caught.value.error_id == "corpus:import:no-room"
    assert full.closed


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_row_that_is_no_member_is_refused(tmp_path: Path, name: str) -> None:
    source = source_at(packed(tmp_path / name, FILES))
    with source, pytest.raises(RefusedFileError) as caught, source.opened(Row("absent.wav")):
        pass
    assert caught.value.error_id == "corpus:archive:no-file"


def test_copies_of_a_killed_process_are_swept(tmp_path: Path, var: Path) -> None:
    passing.folder()
    old, new = var / passing.FOLDER / "old", var / passing.FOLDER / "new"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    source_at(zipped(tmp_path / "x.zip", FILES)).rows()
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("seed", range(12))
def test_bytes_turned_over_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    make: Callable[[Path, dict[str, bytes]], Path] = tarred if seed % 2 else zipped
    rng = Random(seed)
    files = {f"{number}.wav": rng.randbytes(rng.randrange(2000)) for number in range(6)}
    path = make(tmp_path / ("x.tar.gz" if seed % 4 == 1 else "x.tar" if seed % 2 else "x.zip"), files)
    data = bytearray(path.read_bytes())
    for _ in range(8):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    found: list[bytes | str] = []
    try:
        with source_at(path) as source:
            found += brought(source).values()
    except EarmarkError as error:
        found.append(error.error_id)
    assert all(isinstance(one, bytes) or one.startswith("corpus:archive:") for one in found)
