"""Everything a phone, a browser or an exchange records is heard as it is, whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import Stretch
from earmark.speech.decoding import Decoder, Limits
from earmark.speech.errors import EarmarkError
from tests.speech.audio_files import tone
from tests.speech.av_encoded import MADE, av_encoded
from tests.speech.format_files import SECONDS, SNDFILE, made

SLACK = {"gsm.wav": 0.05, "adpcm.wav": 0.07}


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as one:
        yield one


def fault_of(decoder: Decoder, path: Path) -> EarmarkError:
    with pytest.raises(EarmarkError) as caught:
        decoder.decode(path)
    return caught.value


@pytest.mark.parametrize("name", [*SNDFILE, *MADE])
def test_each_format_is_heard_as_it_was(decoder: Decoder, tmp_path: Path, name: str) -> None:
    data, rate, channels = made(name)
    (tmp_path / "x").write_bytes(data)
    heard = decoder.decode(tmp_path / "x")
    assert (heard.rate, heard.channels) == (rate, channels)
    slack = 0.13 if name in MADE else SLACK.get(name, 1e-3)
    assert SECONDS - 0.05 <= heard.duration <= SECONDS + slack
    middle = heard.samples[8_000:24_000]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(middle) == pytest.approx(440, abs=1)
    assert middle.std() == pytest.approx(0.3 / np.sqrt(2), rel=0.3 if name in ("amr", "3gp") else 0.1)


@pytest.mark.parametrize("name", ["m4a", "alac.m4a", "webm", "live.webm", "mka"])
def test_a_sound_stays_where_it_was(decoder: Decoder, tmp_path: Path, name: str) -> None:
    """Encoders put silence before the first sample: what the container says of it is heeded."""
    rate = MADE[name][2]
    wave = np.zeros(3 * rate, np.float32)
    wave[rate : rate + rate // 10] = tone(0.1, rate, 1, 1000.0)
    (tmp_path / "x").write_bytes(av_encoded(name, wave))
    loud = np.flatnonzero(np.abs(decoder.decode(tmp_path / "x").samples) > 0.06)
    assert loud[0] / SAMPLE_RATE == pytest.approx(1.0, abs=0.002)
    assert loud[-1] / SAMPLE_RATE == pytest.approx(1.1, abs=0.002)


CUT = [name for name in (*SNDFILE, *MADE) if name not in ("long.wav",)]


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("share", [0.35, 0.9])
def test_a_part_of_a_file_is_refused(decoder: Decoder, tmp_path: Path, name: str, share: float) -> None:
    data, _, _ = made(name)
    (tmp_path / "x").write_bytes(data[: int(len(data) * share)])
    assert fault_of(decoder, tmp_path / "x").error_id == "corpus:audio:truncated"


@pytest.mark.parametrize("kind", ["m4a", "webm"])
def test_of_a_film_the_sound_is_heard(decoder: Decoder, tmp_path: Path, kind: str) -> None:
    data = av_encoded(
        kind if kind == "webm" else "fragmented.mp4", tone(2.0, 48_000, 1, 440.0), with_picture=True
    )
    (tmp_path / "x").write_bytes(data)
    assert decoder.decode(tmp_path / "x").duration > 1.9


def test_channels_stay_apart(decoder: Decoder, tmp_path: Path) -> None:
    two = np.stack([tone(1.0, 16_000, 1, 300.0), tone(1.0, 16_000, 1, 700.0)], axis=1)
    for name, subtype in (("a.wav", "ALAW"), ("b.aiff", "PCM_24")):
        container = "WAV" if name == "a.wav" else "AIFF"
        soundfile.write(tmp_path / name, two, 16_000, subtype, format=container)
        for channel, hertz in enumerate((300, 700)):
            (heard,) = decoder.stretches(tmp_path / name, [Stretch(0, SAMPLE_RATE)], channel=channel)
            assert np.argmax(np.abs(np.fft.rfft(heard))) == pytest.approx(hertz, abs=1)


@pytest.mark.parametrize("name", ["m4a", "webm", "wma", "3gp", "a.aiff", "aac", "alaw.wav"])
def test_what_others_append_does_no_harm(decoder: Decoder, tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(made(name)[0] + b"TAG" + b"of another \xf0\x9f program" * 5)
    assert decoder.decode(tmp_path / "x").duration == pytest.approx(SECONDS, abs=0.13)


PLAYLISTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\nfile 'http://127.0.0.1:9/x'\n",
    "dash": b'<?xml version="1.0"?><MPD><Period><BaseURL>http://127.0.0.1:9/</BaseURL></Period></MPD>',
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
    "asx": b'<ASX version="3.0"><Entry><Ref href="http://127.0.0.1:9/x.asf"/></Entry></ASX>',
    "pls": b"[playlist]\nFile1=http://127.0.0.1:9/x\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", ["wav", "m4a", "webm"])
def test_a_playlist_is_no_audio(decoder: Decoder, tmp_path: Path, kind: str, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(PLAYLISTS[kind])
    assert fault_of(decoder, tmp_path / f"a.{suffix}").error_id == "corpus:audio:unreadable"


@pytest.mark.parametrize("head", ["m4a", "webm", "wma", "amr", "aac"])
@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_a_playlist_behind_another_head_is_no_audio(
    decoder: Decoder, tmp_path: Path, head: str, kind: str
) -> None:
    data = made(head)[0][:16] + PLAYLISTS[kind] * 20
    (tmp_path / "x").write_bytes(data)
    assert fault_of(decoder, tmp_path / "x").error_id.startswith("corpus:audio:")


@pytest.mark.parametrize(
    "name", ["m4a", "webm", "wma", "amr", "aac", "3gp", "live.webm", "a.aiff", "alac.caf"]
)
def test_turned_over_bytes_cost_one_file(decoder: Decoder, tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(len(name))
    whole = made(name)[0]
    for number in range(6):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 12):
            data[at] = rng.integers(0, 256)
        path = tmp_path / str(number)
        path.write_bytes(data)
        try:
            said = decoder.decode(path).format
        except EarmarkError as error:
            said = error.error_id
        assert said
        assert "crashed" not in said
        assert "timeout" not in said


def test_an_hour_of_amr_is_streamed_through_a_small_child(tmp_path: Path) -> None:
    data = av_encoded("amr", tone(10.0, 8_000))
    magic = len(b"#!AMR\n")
    (tmp_path / "x").write_bytes(data[:magic] + data[magic:] * 360)
    with Decoder(limits=Limits(memory_bytes=600 << 20)) as small:
        (last,) = small.stretches(tmp_path / "x", [Stretch(3_599 * SAMPLE_RATE, 3_600 * SAMPLE_RATE)])
        peak = Path(f"/proc/{small.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    assert len(last) == SAMPLE_RATE
    assert int(peak) < 200_000  # kB; the samples alone would take 230,400
