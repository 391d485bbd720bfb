"""Where recordings are cut."""

import json
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import FRAME, Stretch
from earmark.speech.errors import EarmarkError
from earmark.speech.segmentation import SegmentationSettings, segment, speech
from earmark.speech.voice_activity import VOICE_FRAME

DEFAULTS = SegmentationSettings()
LONGEST = round(DEFAULTS.longest * SAMPLE_RATE)
SHORTEST = round(DEFAULTS.shortest * SAMPLE_RATE)
PADDING = round((DEFAULTS.padding_before + DEFAULTS.padding_after) * SAMPLE_RATE)


class Heard(NamedTuple):
    """What a detector and a level meter say of a recording."""

    voice: np.ndarray
    loudness: np.ndarray
    samples: int

    def talk(self) -> np.ndarray:
        return speech(self.voice, self.loudness, self.samples, DEFAULTS)

    def clips(self, *, keep_whole: bool = False) -> list[Stretch]:
        return segment(self.talk(), self.loudness, self.samples, DEFAULTS, keep_whole=keep_whole)


def heard(
    *runs: tuple[float, float], voice_db: float = -20.0, pause_db: float = -40.0, rest: int = 0
) -> Heard:
    """Seconds of pause and of speech in turn, to the detector's frame; `rest` more samples at the end."""
    voice = [np.full(round(seconds * SAMPLE_RATE / VOICE_FRAME), likely) for seconds, likely in runs]
    likely = np.concatenate([*voice, np.zeros(1 if rest else 0)]).astype(np.float32)
    samples = sum(map(len, voice)) * VOICE_FRAME + rest
    frames = np.arange(-(-samples // FRAME)) * FRAME // VOICE_FRAME
    return Heard(likely, np.where(likely[frames] > 0.4, voice_db, pause_db).astype(np.float32), samples)


def pause(seconds: float) -> tuple[float, float]:
    return seconds, 0.02


def talk(seconds: float) -> tuple[float, float]:
    return seconds, 0.98


@st.composite
def recordings(draw: st.DrawFn, longest_run: float = 90.0) -> Heard:
    """Any talk: level with its pauses or far above them, to any sample at the end."""
    lengths = st.tuples(st.floats(0.03, 6.0), st.floats(0.1, longest_run))
    runs = [each for a, b in draw(st.lists(lengths, max_size=12)) for each in (pause(a), talk(b))]
    made = heard(
        *runs,
        pause(draw(st.floats(0, 40))),
        pause_db=draw(st.sampled_from([-95.0, -60.0, -30.0])),
        rest=draw(st.integers(0, VOICE_FRAME - 1)),
    )
    noise = np.random.default_rng(draw(st.integers(0, 9))).normal(
        0, draw(st.floats(0, 6)), len(made.loudness)
    )
    return made._replace(loudness=(made.loudness + noise).astype(np.float32))


@given(recordings())
@settings(max_examples=150, deadline=None)
def test_clips_are_in_order_apart_within_the_recording_and_hold_all_speech(made: Heard) -> None:
    clips, spoken = made.clips(), made.talk()
    edges = [edge for clip in clips for edge in (clip.start, clip.end)]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0 and edges[-1] <= made.samples)
    for clip in clips:
        assert 0 < clip.end - clip.start <= LONGEST
    starts, ends = np.array(edges[::2]), np.array(edges[1::2])
    for start, end in spoken:
        at = np.searchsorted(starts, start, side="right") - 1
        while end > ends[at]:
            assert starts[at + 1] == ends[at]
            at += 1


@given(recordings())
@settings(max_examples=150, deadline=None)
def test_a_clip_is_shorter_than_a_second_only_where_it_cannot_be_longer(made: Heard) -> None:
    clips = made.clips()
    for at, clip in enumerate(clips):
        if clip.end - clip.start >= min(SHORTEST, made.samples):
            continue
        beside = clips[max(0, at - 1) : at] + clips[at + 1 : at + 2]
        for other in beside:
            joined = max(clip.end, other.end) - min(clip.start, other.start)
            assert joined > LONGEST - PADDING - SHORTEST


@given(recordings(longest_run=25.0))
@settings(max_examples=150, deadline=None)
def test_no_cut_falls_into_speech_while_pauses_will_do(made: Heard) -> None:
    spoken = made.talk()
    for clip in made.clips():
        for edge in (clip.start, clip.end):
            assert not ((spoken[:, 0] < edge) & (edge < spoken[:, 1])).any()


@given(recordings())
@settings(max_examples=50, deadline=None)
def test_the_same_is_cut_the_same(made: Heard) -> None:
    assert made.clips() == made.clips()


def test_clips_begin_and_end_at_the_sound_where_it_stands_out() -> None:
    made = heard(pause(3), talk(4), pause(3), talk(5), pause(20), pause_db=-70.0)
    late = np.roll(made.voice, 3)
    exact = made.talk()
    found = speech(late, made.loudness, made.samples, DEFAULTS)
    assert np.abs(found - exact).max() <= FRAME
    hidden = np.full_like(made.loudness, -30.0)
    told = int(np.argmax(late > 0.5)) * VOICE_FRAME
    assert speech(late, hidden, made.samples, DEFAULTS)[0, 0] == told - round(0.06 * SAMPLE_RATE)


def test_a_clip_keeps_a_little_of_the_quiet_around_it() -> None:
    made = heard(pause(3), talk(4), pause(3), talk(5), pause(20))
    (first, second), spoken = made.clips(), made.talk()
    room = round(0.05 * SAMPLE_RATE)
    assert (first.start, first.end) == (spoken[0, 0] - room, spoken[0, 1] + room)
    assert (second.start, second.end) == (spoken[1, 0] - room, spoken[1, 1] + room)


def test_a_word_alone_is_given_room_to_last_a_second() -> None:
    (clip,) = heard(pause(10), talk(0.4), pause(25)).clips()
    assert clip.end - clip.start == SAMPLE_RATE


def test_long_talk_is_cut_at_its_longest_pauses() -> None:
    made = heard(talk(14), pause(0.13), talk(6), pause(0.32), talk(7), pause(0.1), talk(14))
    first, second = made.clips()
    assert 20.1 * SAMPLE_RATE < first.end < second.start < 20.5 * SAMPLE_RATE


def test_talk_without_a_pause_is_cut_at_its_quietest_place() -> None:
    made = heard(talk(50))
    made.loudness[2_600:2_604] = -28.0
    made.loudness[1_000:1_004] = -25.0
    first, second = made.clips()
    assert 26.0 * SAMPLE_RATE <= first.end == second.start <= 26.04 * SAMPLE_RATE
    assert (first.start, second.end) == (0, made.samples)


def test_a_short_recording_stays_whole_unless_it_holds_a_long_silence_and_no_text() -> None:
    quick = heard(pause(0.5), talk(4), pause(1), talk(5), pause(1.5))
    assert quick.clips() == [Stretch(0, quick.samples)]
    slow = heard(pause(0.5), talk(4), pause(9), talk(5), pause(1.5))
    assert len(slow.clips()) == 2
    assert slow.clips(keep_whole=True) == [Stretch(0, slow.samples)]


def test_without_speech_a_short_recording_is_one_clip_and_a_long_one_none() -> None:
    assert heard(pause(20)).clips() == [Stretch(0, heard(pause(20)).samples)]
    assert heard(pause(60)).clips() == []
    assert heard(pause(60)).clips(keep_whole=True) == []
    assert segment(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), 0, DEFAULTS) == []


def test_ten_hours_of_counting_are_cut_into_clips_of_a_second_and_more() -> None:
    """Each word alone is too short: joining them one by one would take minutes."""
    made = heard(*[each for _ in range(40_000) for each in (talk(0.32), pause(0.5))])
    clips = made.clips()
    assert min(clip.seconds for clip in clips) >= 1
    assert sum(clip.seconds for clip in clips) / len(clips) < 3


def test_a_click_is_no_speech_and_a_flutter_no_pause() -> None:
    made = heard(pause(5), talk(0.04), pause(30))
    assert len(made.talk()) == 0
    made = heard(pause(5), talk(2), (0.064, 0.4), talk(2), pause(30))
    assert len(made.talk()) == 1


def test_settings_come_back_from_json() -> None:
    ours = SegmentationSettings(threshold=0.6, shortest_pause=0.25, longest=20)
    assert SegmentationSettings.from_json(json.dumps(ours.to_json())) == ours
    assert SegmentationSettings.from_json({}) == DEFAULTS
    assert SegmentationSettings.from_json({"shortest": 2}).shortest == 2.0


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"threshold": 0.99}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"threshold": "high"}, "threshold"),
        ({"longest": 31}, "longest"),
        ({"longest": 3, "shortest": 2}, "longest"),
        ({"shortest_pause": float("nan")}, "shortest_pause"),
        ({"padding": 0.1}, "padding"),
        ("{", "settings"),
        ("[1]", "settings"),
        (7, "settings"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(told: object, named: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        SegmentationSettings.from_json(told)  # type: ignore[arg-type]
    assert caught.value.error_id == "corpus:segmentation:value"
    assert f"`{named}`" in caught.value.message
    assert caught.value.hint
