import io
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import Stretch
from earmark.speech.decoding import AHEAD, Decoder, Limits, check_worth_keeping
from earmark.speech.errors import EarmarkError
from earmark.speech.surveyed import Wanted
from tests.speech.audio_files import encoded, tone, write, write_silence


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(surveys=True) as one:
        yield one


def fault_of(decoder: Decoder, path: Path) -> EarmarkError:
    with pytest.raises(EarmarkError) as caught:
        check_worth_keeping(decoder.survey(path), path.name)
    return caught.value


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [
        ("wav", 44_100, 2),
        ("wav", 8_000, 1),
        ("wav", 16_000, 6),
        ("flac", 48_000, 2),
        ("mp3", 44_100, 1),
        ("mp3", 16_000, 2),
        ("ogg", 32_000, 2),
        ("opus", 48_000, 1),
    ],
)
def test_every_format_becomes_the_same_inside(
    decoder: Decoder, tmp_path: Path, suffix: str, rate: int, channels: int
) -> None:
    path = write(tmp_path / f"a.{suffix}", 1.5, rate=rate, channels=channels, hertz=440)
    heard, probed = decoder.decode(path), decoder.survey(path)
    assert heard.samples.dtype == np.float32
    assert (heard.rate, heard.channels) == (probed.rate, probed.channels) == (rate, channels)
    assert heard.format == probed.format
    assert len(heard.samples) == probed.samples == pytest.approx(1.5 * SAMPLE_RATE, abs=2)
    spectrum = np.abs(np.fft.rfft(heard.samples))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(heard.samples) == pytest.approx(440, abs=1)
    assert heard.samples[4_000:12_000].std() == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


def test_sixteen_bit_mono_at_sixteen_kilohertz_is_exact(decoder: Decoder, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(-32_768, 32_767, 5_000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", values, SAMPLE_RATE)
    assert np.array_equal(decoder.decode(tmp_path / "a.wav").samples, values.astype(np.float32) / 32_768)


def test_stretches_are_what_the_whole_holds_there(decoder: Decoder, tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 40 * 44_100).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", samples, 44_100)
    whole = decoder.decode(tmp_path / "a.flac").samples
    wanted = [Stretch(0, 1), Stretch(1, 100_000), Stretch(300_007, 300_009), Stretch(500_000, len(whole))]
    pieces = list(decoder.stretches(tmp_path / "a.flac", wanted))
    assert all(
        np.array_equal(piece, whole[one.start : one.end]) for one, piece in zip(wanted, pieces, strict=True)
    )


def test_stretches_of_one_channel_may_overlap(decoder: Decoder, tmp_path: Path) -> None:
    samples = np.random.default_rng(2).uniform(-0.5, 0.5, (20 * SAMPLE_RATE, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", samples, SAMPLE_RATE)
    both, _ = soundfile.read(tmp_path / "a.flac", dtype="float32")
    wanted = [Stretch(0, 200_000), Stretch(5, 10), Stretch(5, 300_000), Stretch(7, 8)]
    for channel, expected in ((0, both[:, 0]), (1, both[:, 1]), (None, both @ np.full(2, 0.5, np.float32))):
        pieces = decoder.stretches(tmp_path / "a.flac", wanted, channel=channel)
        for one, piece in zip(wanted, pieces, strict=True):
            assert np.array_equal(piece, expected[one.start : one.end])


@pytest.mark.parametrize("rate", [8_000, 11_127, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_a_pass_from_the_middle_gives_what_one_from_the_beginning_gives(
    decoder: Decoder, tmp_path: Path, rate: int, suffix: str
) -> None:
    if rate == 11_127 and suffix == "mp3":
        rate = 11_025
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, 8 * rate).astype(np.float32)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(encoded(noise, rate, suffix))
    whole = decoder.decode(path).samples
    for start in (0, 5, 8_000, 8_001, 70_003, 112_000):
        wanted = [Stretch(start, start + 4_000), Stretch(start + 10_000, start + 12_345)]
        for one, piece in zip(wanted, decoder.stretches(path, wanted, start=start), strict=True):
            assert np.abs(piece - whole[one.start : one.end]).max() < 1e-5


@pytest.mark.parametrize("seed", range(12))
def test_what_a_survey_measures_is_there_to_its_last_sample(
    decoder: Decoder, tmp_path: Path, seed: int
) -> None:
    """Whatever the rate, the channels and the length, and wherever the pass begins."""
    random = np.random.default_rng(seed)
    suffix, channels = ("wav", "flac", "ogg")[seed % 3], int(random.integers(1, 4))
    rate = int(random.choice([8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000]))
    noise = random.uniform(-0.5, 0.5, (int(random.integers(rate, 4 * rate)), channels)).astype(np.float32)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise, rate)
    for heard in ("mix", "first", "split"):
        found = decoder.survey(path, Wanted(heard))
        for track in found.tracks:
            (whole,) = decoder.stretches(path, [Stretch(0, found.samples)], channel=track.channel)
            first = int(random.integers(0, found.samples - 1))
            late = [Stretch(first, found.samples)]
            for start in (0, int(random.integers(0, first + 1)), first):
                (piece,) = decoder.stretches(path, late, channel=track.channel, start=start)
                assert len(piece) == found.samples - first
                assert np.abs(piece - whole[first:]).max() < 1e-4


def test_what_lies_before_is_not_decoded(decoder: Decoder, tmp_path: Path) -> None:
    """A fault in the first half is met from the beginning only."""
    samples = tone(20.0)
    samples[1_000] = np.nan
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
    late = [Stretch(200_000, 201_000)]
    with pytest.raises(EarmarkError, match="not numbers"):
        list(decoder.stretches(path, late))
    (piece,) = decoder.stretches(path, late, start=160_000)
    assert len(piece) == 1_000


def test_a_channel_that_the_file_lacks_is_an_error(decoder: Decoder, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0, channels=2)
    with pytest.raises(EarmarkError, match=r"2 channels and none numbered 2") as caught:
        list(decoder.stretches(path, [Stretch(0, 10)], channel=2))
    assert caught.value.error_id == "corpus:audio:unsupported"


def test_a_stretch_beyond_the_end_is_an_error(decoder: Decoder, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0)
    with pytest.raises(EarmarkError, match=r"has no stretch 0\.500 to 2\.000 s"):
        list(decoder.stretches(path, [Stretch(8_000, 32_000)]))


def test_files_are_answered_in_order_though_the_child_works_ahead(decoder: Decoder, tmp_path: Path) -> None:
    files = []
    for number in range(2 * AHEAD + 3):
        path = tmp_path / f"{number}.wav"
        if number % 5 == 3:
            path.write_bytes(b"" if number % 2 else b"no sound")
        elif number % 5 != 4:
            write(path, 0.2 + number / 100)
        files.append((path, path.name))
    surveyed = list(decoder.survey_all([(path, name, Wanted()) for path, name in files]))
    for answers in (surveyed, list(decoder.decode_all(files))):
        assert len(answers) == len(files)
        for number, answer in enumerate(answers):
            if number % 5 < 3:
                assert not isinstance(answer, EarmarkError)
                assert answer.duration == pytest.approx(0.2 + number / 100)
            else:
                assert isinstance(answer, EarmarkError)
                assert f"'{number}.wav'" in answer.message


ANSWERS_AT_LENGTH = """
from earmark.speech import decoder_child
clips = [[0, 8000, [0.0] * 6, []]] * 30_000
track = {"channel": None, "clips": clips, "speech_seconds": 0.0, "loudest_db": 0.0}
answer = lambda sound, channel, _: channel.send_json(b"J", decoder_child._describe(sound, 8000) | {"tracks": [track]})
decoder_child._survey = answer
decoder_child.main()
"""


def test_long_questions_and_long_answers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 0.5)
    marked = Wanted(given={None: [Stretch(0, 8_000)] * 30_000})
    with Decoder(command=(sys.executable, "-c", ANSWERS_AT_LENGTH)) as decoder:
        answers = list(decoder.survey_all([(path, "a.wav", marked)] * 4))
    assert [len(one.tracks[0].clips) for one in answers if not isinstance(one, EarmarkError)] == [30_000] * 4


def test_an_iterator_left_open_is_told_of_and_not_waited_for(decoder: Decoder, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 0.5)
    with closing(decoder.survey_all([(path, "a", Wanted()), (path, "b", Wanted())])) as probes:
        next(probes)
        with pytest.raises(RuntimeError, match="iterator of this decoder open"):
            decoder.survey(path)
        assert len(list(probes)) == 1
    assert decoder.survey(path).samples == 8_000


def test_threads_take_turns(decoder: Decoder, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.wav", 0.2 + number / 10) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        heard = list(pool.map(lambda path: decoder.decode(path).duration, paths * 3))
    assert heard == pytest.approx([0.2 + number / 10 for number in range(8)] * 3)


def test_a_fault_kept_does_not_keep_the_decoder_busy(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    kept = [next(iter(decoder.survey_all([(tmp_path / "bad.wav", "bad.wav", Wanted())] * 3)))]
    assert decoder.survey(write(tmp_path / "a.wav", 0.5)).samples == 8_000
    assert isinstance(kept[0], EarmarkError)


def test_an_iterator_left_early_does_not_spoil_the_next_file(decoder: Decoder, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 3.0)
    pieces = decoder.stretches(path, [Stretch(0, 16_000), Stretch(16_000, 48_000)])
    next(pieces)
    pieces.close()
    probes = decoder.survey_all([(path, "a.wav", Wanted())] * 9)
    next(probes)
    probes.close()
    assert decoder.survey(path).samples == 48_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus"])
@pytest.mark.parametrize("share", [0.4, 0.95])
def test_truncated_files_are_refused_whole(
    decoder: Decoder, tmp_path: Path, suffix: str, share: float
) -> None:
    data = encoded(tone(3.0, 48_000, 2), 48_000, suffix)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    assert fault_of(decoder, path).error_id == "corpus:audio:truncated"
    with pytest.raises(EarmarkError):
        decoder.decode(path)


def test_no_audio_is_lost_from_an_mp3_without_its_header(decoder: Decoder, tmp_path: Path) -> None:
    loud_then_still = np.concatenate(
        [np.random.default_rng(0).uniform(-0.3, 0.3, 200_000), np.zeros(400_000)]
    )
    data = encoded(loud_then_still.astype(np.float32), 44_100, "mp3", bitrate_mode="VARIABLE")
    header_end = data.index(b"\xff\xfb", 4)
    (tmp_path / "a.mp3").write_bytes(data[header_end:])
    assert (
        soundfile.info(io.BytesIO(data[header_end:])).frames < 400_000
    )  # what a decoder that guesses would keep
    assert decoder.survey(tmp_path / "a.mp3").duration == pytest.approx(600_000 / 44_100, abs=0.06)


def test_two_mp3_joined_are_heard_to_the_end(decoder: Decoder, tmp_path: Path) -> None:
    one = encoded(tone(1.0, 44_100), 44_100, "mp3")
    (tmp_path / "a.mp3").write_bytes(one + one)
    assert decoder.survey(tmp_path / "a.mp3").duration == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize(
    ("name", "content", "error_id"),
    [
        ("empty.wav", b"", "corpus:audio:empty"),
        ("text.wav", b"This is a letter, not a sound.\n" * 40, "corpus:audio:unreadable"),
        ("text.mp3", b"This is a letter, not a sound.\n" * 4000, "corpus:audio:unreadable"),
        ("noise.ogg", np.random.default_rng(0).bytes(9_000), "corpus:audio:unreadable"),
        ("header.wav", encoded(tone(1.0), 16_000, "wav")[:20], "corpus:audio:unreadable"),
        ("short.wav", encoded(tone(0.01), 16_000, "wav"), "corpus:audio:too-short"),
        ("nothing.flac", encoded(tone(0.05), 16_000, "flac"), "corpus:audio:too-short"),
        ("silent.flac", encoded(np.zeros(32_000, np.float32), 16_000, "flac"), "corpus:audio:silent"),
        ("constant.wav", encoded(np.full(32_000, 0.2, np.float32), 16_000, "wav"), "corpus:audio:silent"),
    ],
)
def test_hostile_files(decoder: Decoder, tmp_path: Path, name: str, content: bytes, error_id: str) -> None:
    (tmp_path / name).write_bytes(content)
    fault = fault_of(decoder, tmp_path / name)
    assert fault.error_id == error_id
    assert name in fault.message
    assert fault.hint


def test_other_containers_and_odd_numbers_are_refused(decoder: Decoder, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.voc", tone(1.0), 16_000)
    assert fault_of(decoder, tmp_path / "a.voc").error_id == "corpus:audio:unsupported"
    soundfile.write(tmp_path / "slow.wav", tone(1.0), 1_000)
    assert "1000 Hz" in fault_of(decoder, tmp_path / "slow.wav").message
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan] * 4000), 16_000, subtype="FLOAT")
    assert fault_of(decoder, tmp_path / "nan.wav").error_id == "corpus:audio:damaged"


def test_what_is_not_a_file_is_refused_without_waiting(decoder: Decoder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert fault_of(decoder, tmp_path / "pipe.wav").error_id == "corpus:audio:unreadable"
    assert fault_of(decoder, tmp_path).error_id == "corpus:audio:unreadable"
    assert fault_of(decoder, tmp_path / "absent.wav").error_id == "corpus:audio:missing"


@pytest.mark.parametrize(
    "name", ["two words.wav", 'o\'clock "x".wav', "录音 一.wav", os.fsdecode(b"caf\xe9.wav")]
)
def test_any_name_will_do(decoder: Decoder, tmp_path: Path, name: str) -> None:
    assert decoder.survey(write(tmp_path / name, 0.5)).samples == 8_000


def test_an_hour_of_silence_is_streamed_through_a_small_child(tmp_path: Path) -> None:
    path = write_silence(tmp_path / "hour.wav", 3600)
    with Decoder(surveys=True) as small:
        assert fault_of(small, path).error_id == "corpus:audio:silent"
        peak = Path(f"/proc/{small.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    assert int(peak) < 200_000  # kB; the samples alone would take 230,400


def test_a_time_out_costs_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0)
    with Decoder() as decoder:
        before = decoder.survey(path)
        decoder.limits = Limits(seconds=0.0, seconds_per_megabyte=0.0)
        assert fault_of(decoder, path).error_id == "corpus:audio:timeout"
        decoder.limits = Limits()
        assert decoder.survey(path).samples == before.samples


CRASHES_ON_DEMAND = """
import os
from earmark.speech import decoder_child
open_sound = decoder_child.open_sound
decoder_child.open_sound = lambda file: os.abort() if os.pread(file, 5, 0) == b"CRASH" else open_sound(file)
decoder_child.main()
"""


def test_a_crash_costs_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "good.wav", 1.0)
    (tmp_path / "bad.wav").write_bytes(b"CRASH")
    with Decoder(command=(sys.executable, "-c", CRASHES_ON_DEMAND)) as decoder:
        decoder.survey(path)
        first = decoder.pid
        fault = fault_of(decoder, tmp_path / "bad.wav")
        assert fault.error_id == "corpus:audio:crashed"
        assert "'bad.wav' ended the decoder (exit code -6)" in fault.message
        assert decoder.survey(path).samples == SAMPLE_RATE
        assert decoder.pid != first
        good, bad = (path, "good.wav"), (tmp_path / "bad.wav", "bad.wav")
        answers = list(decoder.survey_all([(*one, Wanted()) for one in (good, bad, good, good)]))
        assert [isinstance(one, EarmarkError) for one in answers] == [False, True, False, False]


def test_a_child_killed_between_files_costs_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 1.0)
    with Decoder() as decoder:
        decoder.survey(path)
        assert decoder.pid
        os.kill(decoder.pid, signal.SIGKILL)
        assert decoder.survey(path).samples == SAMPLE_RATE
        os.kill(decoder.pid, signal.SIGKILL)
        assert len(next(decoder.stretches(path, [Stretch(0, 99)]))) == 99


def test_a_child_that_does_not_start_says_why() -> None:
    with (
        Decoder(command=(sys.executable, "-c", "raise SystemExit('no numpy here')")) as decoder,
        pytest.raises(EarmarkError, match="no numpy here") as caught,
    ):
        decoder.survey(Path(__file__))
    assert caught.value.error_id == "corpus:decoder:start"


def test_the_child_sees_no_secret_and_writes_no_file(decoder: Decoder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "told-to-nobody")
    with Decoder() as fresh:
        fresh.survey(write(tmp_path / "a.wav", 0.5))
        process = Path(f"/proc/{fresh.pid}")
        assert b"told-to-nobody" not in (process / "environ").read_bytes()
        assert "Max file size             0 " in (process / "limits").read_text()


def test_the_child_goes_when_its_parent_does(tmp_path: Path) -> None:
    decoder = Decoder()
    decoder.survey(write(tmp_path / "a.wav", 0.5))
    child = decoder._child
    assert child
    child._wire.close()
    assert child._process.wait(timeout=20) == 0
    decoder.close()
