"""Files that mean no good or have come to harm: more than two hundred, the same ones from the same seed."""

import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np

from tests.corpus.sources.places import laid, tarred, zipped
from tests.speech.audio_files import encoded, tone
from tests.speech.format_files import EVERY, made

Files = Iterator[tuple[str, bytes]]

PLAYLISTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\nfile 'http://127.0.0.1:9/x'\n",
    "asx": b'<ASX version="3.0"><Entry><Ref href="http://127.0.0.1:9/x"/></Entry></ASX>',
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
}
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".webm", ".amr", ".wma", ".aac", ".aiff")


def files(rng: Random) -> dict[str, bytes]:
    """Audio files by name, none of which holds sound that may come in."""
    made_up = (truncated, wrong_heads, random_bodies, wrong_numbers, disguised, senseless, grown)
    return {f"{one.__name__}/{name}": data for one in made_up for name, data in one(rng)}


def truncated(rng: Random) -> Files:
    """Each format, broken off near its start, inside, and near its end."""
    for name in EVERY:
        whole = made(name)[0]
        for number, share in enumerate((0.1, 0.5, 0.98)):
            at = (
                int(len(whole) * (share + rng.uniform(-0.01, 0.01))) | 1
            )  # between frames nothing is broken off
            yield f"{number} .{name}", whole[:at]


def wrong_heads(rng: Random) -> Files:
    """The head of one format on the body of another."""
    for name in (
        "wav",
        "flac",
        "ogg",
        "m4a",
        "webm",
        "wma",
        "amr",
        "aac",
        "a.aiff",
        "a.caf",
        "a.sph",
    ):
        other = rng.choice([one for one in ("flac", "ogg", "m4a", "webm") if one != name])
        yield f"a.{name}", made(name)[0][:24] + made(other)[0][24:]


def random_bodies(rng: Random) -> Files:
    """A good beginning, and then anything."""
    for name in ("flac", "ogg", "opus", "m4a", "webm", "wma", "aac", "alac.caf", "mka", "3gp"):
        head = made(name)[0][: rng.randrange(60, 300)]
        yield f"short .{name}", head + rng.randbytes(rng.randrange(50))
        yield f"long .{name}", head + rng.randbytes(40_000)
    for number, suffix in enumerate(SUFFIXES):
        yield f"{number}{suffix}", rng.randbytes(rng.randrange(1, 20_000))


def wrong_numbers(rng: Random) -> Files:
    """Headers whose figures cannot be, or are far too large."""
    whole = made("wav")[0]
    for name, at, form, value in (
        ("no channels", 22, "<H", 0),
        ("65535 channels", 22, "<H", 65_535),
        ("no rate", 24, "<I", 0),
        ("1 Hz", 24, "<I", 1),
        ("4 GHz", 24, "<I", 0xFFFFFFFF),
        ("no width", 34, "<H", 0),
        ("255 bits", 34, "<H", 255),
        ("unknown format", 20, "<H", 0x7777),
        ("a huge size", 40, "<I", 0xFFFFFFF0),
        ("a huge format", 16, "<I", 0x7FFFFFFF),
    ):
        data = bytearray(whole)
        struct.pack_into(form, data, at, value)
        yield f"{name}.wav", bytes(data)
    flac = bytearray(made("flac")[0])
    flac[21] |= 0x0F
    flac[22:26] = b"\xff\xff\xff\xff"
    yield "2^36 samples.flac", bytes(flac)
    flac = bytearray(made("flac")[0])
    flac[4:8] = b"\x06\xff\xff\xff"
    yield "a huge picture.flac", bytes(flac)
    for kind in ("m4a", "fragmented.mp4"):
        mp4 = bytearray(made(kind)[0])
        at = mp4.index(b"mdat")
        mp4[at - 4 : at] = b"\x7f\xff\xff\xff"
        yield f"a huge box.{kind}", bytes(mp4)
    yield "a longer box.m4a", made("m4a")[0] + struct.pack(">I4sQ", 1, b"mdat", 1 << 62)
    mka = bytearray(made("mka")[0])
    at = mka.index(b"\x18\x53\x80\x67")
    mka[at + 4 : at + 12] = b"\x01" + b"\x7f" * 7
    yield "a huge segment.mka", bytes(mka)
    aiff = bytearray(made("a.aiff")[0])
    at = aiff.index(b"SSND")
    aiff[at + 4 : at + 8] = b"\x7f\xff\xff\xff"
    yield "a huge chunk.aiff", bytes(aiff)
    yield "a huge tag.mp3", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + made("mp3")[0][:2000]


def disguised(rng: Random) -> Files:
    """Playlists and other files under the names of audio."""
    for kind, text in PLAYLISTS.items():
        for suffix in (".wav", ".m4a", ".webm", ".mp3"):
            yield f"{kind}{suffix}", text
        head = made(rng.choice(("m4a", "webm", "wma")))[0][:16]
        yield f"{kind} behind a head.m4a", head + text * 50
    yield "page.wav", b"<html><body>404 Not Found</body></html>" * 30
    yield "program.wav", b"\x7fELF\x02\x01\x01" + rng.randbytes(3000)
    yield "archive.wav", b"PK\x03\x04" + rng.randbytes(3000)
    yield "picture.mp3", b"\x89PNG\r\n\x1a\n" + rng.randbytes(3000)


def senseless(_: Random) -> Files:
    """Samples that are no sound."""
    wave = tone(1.0)
    for name, value in (("nan", np.nan), ("infinite", np.inf), ("less than all", -np.inf)):
        broken = wave.copy()
        broken[8000] = value
        yield f"{name}.wav", _floats(broken)
    yield "all nan.wav", _floats(np.full(16_000, np.nan, np.float32))
    yield "silent.wav", encoded(np.zeros(16_000, np.float32), 16_000, "wav")
    yield "constant.flac", encoded(np.full(16_000, 0.3, np.float32), 16_000, "flac")
    yield "a blink.wav", encoded(tone(0.02), 16_000, "wav")
    yield "no samples.wav", encoded(tone(0.0), 16_000, "wav")
    yield "no samples.flac", encoded(tone(0.0), 16_000, "flac")
    yield "empty.wav", b""
    yield "one byte.mp3", b"\xff"


def grown(rng: Random) -> Files:
    """Structures that go on and on."""
    yield "chunks.wav", b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\x00\x00\x00\x00" * 20_000
    nested = b""
    for _ in range(2000):
        nested = struct.pack(">I4s", len(nested) + 8, b"moov") + nested
    yield "boxes in boxes.m4a", made("m4a")[0][:16] + nested
    yield "empty boxes.m4a", made("m4a")[0][:16] + struct.pack(">I4s", 8, b"free") * 20_000
    yield "pages.ogg", (b"OggS\x00\x02" + bytes(20) + b"\x01\x1e" + rng.randbytes(30)) * 500
    yield "elements.webm", made("webm")[0][:4] + b"\x80" + b"\xec\x80" * 20_000
    yield "objects.wma", made("wma")[0][:16] + struct.pack("<Q", 24) + bytes(6000)


def _floats(samples: np.ndarray) -> bytes:
    data = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    return (
        b"RIFF"
        + struct.pack("<I4s4sI", 36 + len(data), b"WAVE", b"fmt ", 16)
        + form
        + b"data"
        + (struct.pack("<I", len(data)) + data)
    )


def not_files(folder: Path, elsewhere: Path) -> int:
    """Lay down names of audio that are no files or lie elsewhere; how many."""
    links = {
        "passwords.wav": "/etc/passwd",
        "elsewhere.wav": str(elsewhere / "good.wav"),
        "upwards.wav": os.path.relpath(elsewhere / "good.wav", folder),
        "zeros.wav": "/dev/zero",
        "memory.wav": "/proc/self/mem",
        "nowhere.wav": "nothing.wav",
        "round.wav": "round.wav",
    }
    folder.mkdir()
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.wav")
    return len(links) + 1


def archives(folder: Path, rng: Random, elsewhere: Path) -> list[Path]:
    """Archives none of which holds a file that may come in."""
    bad = b"RIFF"
    out = (
        "../out.wav",
        "/tmp/out.wav",
        "a/../../out.wav",
        "..\\up.wav",
        "./../../x.wav",
        "C:/../../y.wav",
        "//z.wav",
    )
    packed: dict[str, Callable[[Path], object]] = {
        "out.zip": lambda at: zipped(at, dict.fromkeys(out, bad)),
        "out.tar": lambda at: tarred(at, dict.fromkeys(out, bad)),
        "bomb.zip": lambda at: zipped(at, {"bomb.wav": bytes(80 << 20)}),
        "bomb.tar.gz": lambda at: tarred(at, {"bomb.wav": bytes(100 << 20)}),
        "links.tar": lambda at: _links(at, elsewhere),
        "links.zip": _zip_link,
        "locked.zip": _locked,
        "lying.zip": lambda at: _patched(at, b"PK\x01\x02", 24, struct.pack("<I", 3)),
        "overlap.zip": _overlapping,
        "huge.zip": lambda at: _patched(at, b"PK\x01\x02", 24, struct.pack("<I", 0xFFFFFFF0)),
        "many.zip": lambda at: _patched(at, b"PK\x05\x06", 12, struct.pack("<I", 0xFFFFFF00)),
        "header.tar": lambda at: at.write_bytes(_tar_head(tarfile.XHDTYPE, 1 << 40) + bytes(4096)),
        "size.tar": lambda at: at.write_bytes(_tar_head(tarfile.REGTYPE, 1 << 60) + bytes(4096)),
        "chain.tar": lambda at: at.write_bytes((_tar_head(tarfile.GNUTYPE_LONGNAME, 3) + bytes(512)) * 3000),
        "empty.zip": lambda at: at.write_bytes(b""),
        "text.tar": lambda at: at.write_bytes(b"no archive at all\n" * 100),
        "playlist.zip": lambda at: zipped(at, {"a.wav": PLAYLISTS["hls"]}),
    }
    for name in ("cut.zip", "cut.tar", "cut.tar.gz", "cut.tar.bz2", "cut.tar.xz"):
        packed[name] = lambda at: _cut(at, rng)
    folder.mkdir()
    for name, pack in packed.items():
        pack(folder / name)
    return [folder / name for name in packed]


def described(folder: Path, elsewhere: Path) -> Path:
    """A data directory of Kaldi's that runs commands and reaches out."""
    ran = elsewhere / "ran"
    scp = (
        f"one touch {ran} |",
        f"two cat {elsewhere}/good.wav |",
        "three ../elsewhere/good.wav",
        f"four {elsewhere}/good.wav",
        "five /etc/passwd",
        "six a.ark:99",
        "seven http://127.0.0.1:9/x.wav",
        "eight missing.wav",
    )
    return laid(folder, {"wav.scp": "\n".join(scp) + "\n", "text": "one rm -rf\n"})


def _links(at: Path, elsewhere: Path) -> None:
    with tarfile.open(at, "w") as archive:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(f"{number}.wav")
            info.type, info.linkname = kind, str(elsewhere / "good.wav")
            archive.addfile(info)


def _zip_link(at: Path) -> None:
    with zipfile.ZipFile(at, "w") as archive:
        link = zipfile.ZipInfo("link.wav")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")


def _locked(at: Path) -> None:
    _patched(at, b"PK\x01\x02", 8, b"\x01")


def _patched(at: Path, mark: bytes, offset: int, value: bytes) -> None:
    """A ZIP of one sound file, with other figures behind `mark`."""
    data = bytearray(zipped(at, {"a.wav": made("wav")[0]}).read_bytes())
    place = data.index(mark) + offset
    data[place : place + len(value)] = value
    at.write_bytes(data)


def _overlapping(at: Path) -> None:
    data = bytearray(zipped(at, {"a.wav": made("wav")[0], "b.wav": made("wav")[0]}).read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<I", data, second + 42, 0)
    at.write_bytes(data)


def _tar_head(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("a.wav")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def _cut(at: Path, rng: Random) -> None:
    whole = {"a.wav": rng.randbytes(50_000), "b.wav": rng.randbytes(50_000)}
    data = (zipped(at, whole) if at.suffix == ".zip" else tarred(at, whole)).read_bytes()
    at.write_bytes(data[: rng.randrange(30_000, 60_000)])
