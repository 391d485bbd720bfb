"""A folder of files that go wrong, each in its own way: each gets a recorded outcome, and the rest is ingested."""

import os
from pathlib import Path

import pytest

from earmark.corpus.models import Clip, Recording
from tests.corpus import world
from tests.speech.audio_files import encoded, tone, write, write_silence

pytestmark = pytest.mark.django_db

GOOD = ("ingested", "")


def test_each_bad_file_has_its_outcome_and_the_rest_comes_in(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", 1.0, rate=44_100, channels=2)
    write(tmp_path / "good.flac", 1.1, rate=48_000)
    write(tmp_path / "good.mp3", 1.2, rate=22_050)
    write(tmp_path / "good.ogg", 1.3, rate=32_000)
    write(tmp_path / "good.opus", 1.4, rate=48_000)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "letter.wav").write_text("Dear Anna, " * 50)
    mp3 = encoded(tone(3.0, 44_100), 44_100, "mp3")
    (tmp_path / "cut.mp3").write_bytes(mp3[: len(mp3) // 2])
    write(tmp_path / "blink.wav", 0.01)
    write_silence(tmp_path / "hour.wav", 3600)
    write(tmp_path / 'two words, "quoted" and o\'clock.wav', 0.5)
    write(tmp_path / "会议 录音" / "第一 段.flac", 0.6)
    (tmp_path / "good again.wav").write_bytes((tmp_path / "good.wav").read_bytes())
    write(tmp_path / "phone.ape.wav", 0.7).rename(tmp_path / "phone.ape")
    write(tmp_path / "latin.wav", 0.8).rename(tmp_path / os.fsdecode(b"caf\xe9.wav"))

    made, result = world.bring_in(world.collection(), tmp_path)

    assert world.outcome_of(made) == {
        "good.wav": ("duplicate", ""),
        "good again.wav": GOOD,
        "good.flac": GOOD,
        "good.mp3": GOOD,
        "good.ogg": GOOD,
        "good.opus": GOOD,
        "empty.wav": ("failed", "corpus:audio:empty"),
        "letter.wav": ("failed", "corpus:audio:unreadable"),
        "cut.mp3": ("failed", "corpus:audio:truncated"),
        "blink.wav": ("failed", "corpus:audio:too-short"),
        "hour.wav": ("failed", "corpus:audio:silent"),
        'two words, "quoted" and o\'clock.wav': GOOD,
        "会议 录音/第一 段.flac": GOOD,
        "phone.ape": ("failed", "corpus:audio:unsupported"),
        "caf\\xe9.wav": GOOD,
    }
    assert result == {"ingested": 8, "duplicate": 1, "failed": 6, "files": 15, "left_aside": {}}
    assert Recording.objects.count() == Clip.objects.count() == 8
    for failed in made.files.filter(outcome="failed"):
        assert failed.recording is None
        assert Path(failed.path).name in failed.error
        assert len(failed.error.split(". ")) >= 2, "what is wrong, then who must do what"


def test_a_refused_file_leaves_nothing_in_the_storage(tmp_path: Path, media: Path) -> None:
    mp3 = encoded(tone(3.0, 44_100), 44_100, "mp3")
    (tmp_path / "cut.mp3").write_bytes(mp3[: len(mp3) // 2])
    world.bring_in(world.collection(), tmp_path)
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_the_same_bytes_again_fail_as_the_first_did(tmp_path: Path) -> None:
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).write_text("Dear Anna, " * 50)
        write(tmp_path / f"good {name}", 0.7)
    made, _ = world.bring_in(world.collection(), tmp_path)
    assert world.outcome_of(made) == {
        "good one.wav": GOOD,
        "good two.wav": ("duplicate", ""),
        "one.wav": ("failed", "corpus:audio:unreadable"),
        "two.wav": ("failed", "corpus:audio:unreadable"),
    }
