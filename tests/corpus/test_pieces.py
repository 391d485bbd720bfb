"""What becomes of marked stretches, channels, voices of two sides, and copies."""

import json
from pathlib import Path

import numpy as np
import pytest

from earmark.corpus.manifest import Row, Utterance
from earmark.corpus.models import Clip, Recording, Reference, Speaker, Split
from earmark.corpus.pieces import Asked, pieces_of, wanted_of
from earmark.corpus.samples import clip_samples
from earmark.speech.cutting import Stretch
from earmark.speech.quality import Quality
from earmark.speech.surveyed import SurveyedClip, SurveyedFile, Track
from tests.corpus import world
from tests.speech.audio_files import encoded, talk

NO_QUALITY = Quality(0.0, 1.0, None, 0.0, 0.0, -70.0)


def _found(*tracks: tuple[int | None, list[Stretch]], seconds: float = 60.0) -> SurveyedFile:
    told = tuple(
        Track(channel, tuple(SurveyedClip(one, NO_QUALITY, ()) for one in stretches), 0.0, -20.0)
        for channel, stretches in tracks
    )
    return SurveyedFile(round(seconds * 16_000), 16_000, max(1, len(tracks)), "WAV PCM_16", told)


def test_marked_stretches_are_asked_for_to_the_sample_and_the_impossible_left_out() -> None:
    row = Row(
        "a.wav",
        speaker="anna",
        utterances=(
            Utterance(0.5, 1.00001, "one"),
            Utterance(2.0, 31.0, "too long"),
            Utterance(3.0, 0.01, "too short"),
            Utterance(4.0, 2.0, "two", speaker="bo"),
            Utterance(59.99, 5.0, "beyond"),
            Utterance(4.0, 2.0, "twice"),
        ),
    )
    wanted = wanted_of(row, Asked())
    marked = [
        Stretch(8_000, 24_000),
        Stretch(64_000, 96_000),
        Stretch(959_840, 1_039_840),
        Stretch(64_000, 96_000),
    ]
    assert wanted.given == {None: marked}
    cut_off = [*marked[:2], Stretch(959_840, 960_000), marked[3]]
    pieces, left_out = pieces_of(row, _found((None, cut_off)), Asked())
    assert [(one.text, one.speaker, one.clip.stretch) for one in pieces] == [
        ("one", "anna", marked[0]), ("two", "bo", marked[1])
    ]  # fmt: skip
    assert [line.split(":")[0] for line in left_out] == ["2.000 s", "3.000 s", "59.990 s", "4.000 s"]


def test_split_channels_are_voices_of_their_own() -> None:
    row = Row("call.wav", channel_speakers=("agent",))
    found = _found((0, [Stretch(0, 16_000)]), (1, [Stretch(8_000, 32_000)]))
    pieces, _ = pieces_of(row, found, Asked("split"))
    assert [(one.channel, one.speaker) for one in pieces] == [(0, "agent"), (1, "call.ch1")]


def _write(path: Path, samples: np.ndarray, rate: int = 16_000) -> None:
    path.write_bytes(encoded(samples, rate, path.suffix[1:]))


def _manifest(folder: Path, *rows: dict[str, str]) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.django_db
def test_a_call_on_two_channels_becomes_two_voices_on_one_side(tmp_path: Path) -> None:
    agent, caller = talk(3), talk(3, voice="f2", first=50, pause=1.5)
    length = max(len(agent), len(caller))
    both = np.stack([np.pad(one, (0, length - len(one))) for one in (agent, caller)], axis=1)
    _write(tmp_path / "call.flac", both)
    into = world.collection()
    made, _ = world.bring_in(into, tmp_path, channels="split")
    assert world.outcome_of(made) == {"call.flac": ("ingested", "")}
    clips = list(Clip.objects.order_by("channel", "start"))
    assert {clip.channel for clip in clips} == {0, 1}
    assert {(clip.channel, clip.speaker.name) for clip in clips} == {(0, "call.ch0"), (1, "call.ch1")}
    assert len({clip.split for clip in clips}) == 1
    assert Recording.objects.get().speaker is None
    for clip in clips:
        own = both[:, clip.channel][round(clip.start * 16_000) :][: round(clip.seconds * 16_000)]
        np.testing.assert_allclose(clip_samples(clip), own, atol=2e-4)


@pytest.mark.django_db
def test_a_voice_of_the_other_side_makes_its_clips_unfit(tmp_path: Path) -> None:
    into = world.collection()
    for name, split in (("anna", Split.TRAIN), ("bo", Split.TEST)):
        Speaker.objects.create(collection=into, name=name, split=split)
    wave = talk(2)
    _write(tmp_path / "meeting.flac", wave)
    half = len(wave) / 32_000
    cuts = [
        {"audio_filepath": "meeting.flac", "offset": 0.0, "duration": half, "text": "one", "speaker": "anna"},
        {"audio_filepath": "meeting.flac", "offset": half, "duration": half, "text": "two", "speaker": "bo"},
    ]
    manifest = _manifest(tmp_path, *cuts)
    world.bring_in(into, tmp_path, manifest, layout="nemo")
    found = {clip.speaker.name: (clip.split, clip.unfit, clip.is_fit) for clip in Clip.objects.all()}
    assert found["anna"][0] == "train"
    assert found["anna"][1] == ""
    assert found["bo"] == ("test", "torn", False)
    assert sorted(Reference.objects.values_list("text", flat=True)) == ["one", "two"]
    assert set(Clip.objects.values_list("segmentation__method", flat=True)) == {"given"}


@pytest.mark.django_db
def test_a_copy_that_was_encoded_again_is_set_aside_and_another_voice_is_not(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    wave = talk(1)
    _write(first / "a.flac", wave)
    _write(second / "b.mp3", np.clip(1.6 * wave[2_000:], -1, 1))
    _write(second / "c.flac", talk(1, voice="f2"))
    _write(second / "d.flac", talk(1, first=9))
    into = world.collection()
    world.bring_in(into, first)
    world.bring_in(into, second)
    clips = {clip.recording.name: clip for clip in Clip.objects.select_related("recording")}
    assert clips["b.mp3"].duplicate_of == clips["a.flac"]
    assert (clips["b.mp3"].unfit, clips["b.mp3"].is_fit) == ("duplicate", False)
    for name in ("a.flac", "c.flac", "d.flac"):
        assert (clips[name].duplicate_of, clips[name].unfit) == (None, "")
        assert clips[name].is_fit
