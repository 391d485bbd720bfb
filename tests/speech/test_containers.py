import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.speech import containers
from tests.speech.audio_files import encoded, tone

WAV = encoded(tone(0.1), 16_000, "wav")
OGG = encoded(tone(1.0), 16_000, "ogg")
OPUS = encoded(tone(1.0), 48_000, "opus")


@given(st.integers(44, len(WAV)))
def test_a_cut_wav_lacks_what_was_cut(size: int) -> None:
    assert containers.wav_missing_bytes(io.BytesIO(WAV[:size])) == len(WAV) - size


@pytest.mark.parametrize("unknown", [0, 0xFFFFFFFF])
def test_a_wav_that_does_not_know_its_size_promises_nothing(unknown: int) -> None:
    at = WAV.index(b"data") + 4
    streamed = WAV[:at] + struct.pack("<I", unknown) + WAV[at + 4 :]
    assert containers.wav_missing_bytes(io.BytesIO(streamed)) == 0


def test_the_long_size_of_rf64_counts() -> None:
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, 0, 1000, 0, 0)
    data = struct.pack("<4sI", b"data", 0xFFFFFFFF) + bytes(600)
    assert containers.wav_missing_bytes(io.BytesIO(b"RF64\xff\xff\xff\xffWAVE" + ds64 + data)) == 400


@given(st.binary(max_size=300))
def test_no_bytes_make_the_wav_reader_fail(data: bytes) -> None:
    assert containers.wav_missing_bytes(io.BytesIO(b"RIFF" + data)) >= 0


@pytest.mark.parametrize("whole", [OGG, OPUS])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.9999])
def test_ogg_is_whole_only_to_its_last_page(whole: bytes, share: float) -> None:
    assert containers.ogg_is_whole(io.BytesIO(whole))
    assert not containers.ogg_is_whole(io.BytesIO(whole[: int(len(whole) * share)]))


@given(st.binary(max_size=300))
def test_no_bytes_make_the_ogg_reader_fail(data: bytes) -> None:
    containers.ogg_is_whole(io.BytesIO(b"OggS\x00" + data))
