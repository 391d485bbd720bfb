import io

import numpy as np
import pytest

from earmark.speech import mp3
from tests.speech.audio_files import encoded, tone


def bytes_of(rate: int, seconds: float = 2.0, channels: int = 1, mode: str = "CONSTANT") -> bytes:
    return encoded(tone(seconds, rate, channels), rate, "mp3", bitrate_mode=mode)


def layout(data: bytes) -> mp3.Mp3Layout:
    found = mp3.layout(io.BytesIO(data))
    assert found is not None
    return found


def without_information(data: bytes) -> bytes:
    return data[layout(data).first :]


@pytest.mark.parametrize("rate", [44_100, 32_000, 22_050, 16_000, 8_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_a_whole_file_keeps_its_promise(rate: int, channels: int, mode: str) -> None:
    found = layout(bytes_of(rate, channels=channels, mode=mode))
    per_frame = 1152 if rate >= 32_000 else 576
    assert found.frames == found.promised
    assert found.frames == pytest.approx(2.0 * rate / per_frame, abs=3)
    assert not found.is_truncated
    assert not found.is_told_wrong


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("strip", [True, False])
def test_a_cut_file_is_truncated_with_and_without_its_header(share: float, strip: bool) -> None:
    data = bytes_of(44_100)
    data = without_information(data) if strip else data
    assert layout(data[: int(len(data) * share) + 1]).is_truncated


def test_a_cut_between_two_frames_shows_by_the_promise() -> None:
    data = bytes_of(44_100)
    first = layout(data).first
    one = mp3.frame_length(data[first : first + 4])
    found = layout(data[: first + one])
    assert found.frames == 1
    assert not found.partial
    assert found.is_truncated


def test_tags_before_and_after_are_not_audio() -> None:
    data = bytes_of(22_050)
    tagged = b"ID3\x04\x00\x00\x00\x00\x01\x00" + b"\xff\xfb" * 64 + data + b"TAG" + b"\xff" * 125
    assert layout(tagged).frames == layout(data).frames
    assert not layout(tagged).is_truncated


def test_junk_between_frames_is_stepped_over() -> None:
    data = bytes_of(44_100)
    found = layout(data)
    at = found.first + mp3.frame_length(data[found.first : found.first + 4])
    assert layout(data[:at] + b"\x00junk\xff\xfb" * 9 + data[at:]).frames == found.frames


def test_no_header_or_one_that_falls_short_is_told_wrong() -> None:
    data = bytes_of(44_100)
    assert layout(without_information(data)).is_told_wrong
    joined = data + bytes_of(44_100, seconds=3.0)
    assert layout(joined).is_told_wrong
    assert not layout(joined).is_truncated


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [48_000, 24_000, 8_000])
def test_the_information_frame_we_make_says_what_is_there(rate: int, channels: int) -> None:
    data = without_information(bytes_of(rate, channels=channels))
    found = layout(data)
    told = layout(mp3.information_frame(found) + data)
    assert told.promised == told.frames == found.frames
    assert not told.is_told_wrong


def test_what_is_no_mp3_has_no_layout() -> None:
    assert mp3.layout(io.BytesIO(b"")) is None
    assert mp3.layout(io.BytesIO(b"hello " * 1000)) is None
    assert mp3.layout(io.BytesIO(np.random.default_rng(0).bytes(40_000).replace(b"\xff", b"\x00"))) is None
