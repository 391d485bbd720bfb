"""What a survey of a file is asked and what it answers, as plain values that cross the wire from the decoding child."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Self

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import Stretch
from earmark.speech.quality import Quality
from earmark.speech.segmentation import SegmentationSettings

MIX, FIRST, SPLIT = "mix", "first", "split"


@dataclass(frozen=True)
class Wanted:
    """How a file is to be surveyed.

    `channels`: `mix` hears the mean of all, `first` the first alone, `split` each as a voice of its own. With `given`
    the clips are those stretches, by channel (None is all together), and `channels` does not count. `keep_whole` keeps
    a short recording in one clip whatever silence it holds.
    """

    channels: str = MIX
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    given: Mapping[int | None, Sequence[Stretch]] | None = None
    keep_whole: bool = False

    def to_json(self) -> dict[str, Any]:
        given = None
        if self.given is not None:
            given = [[voice, [[one.start, one.end] for one in cuts]] for voice, cuts in self.given.items()]
        return {
            "channels": self.channels,
            "segmentation": self.segmentation.to_json(),
            "given": given,
            "keep_whole": self.keep_whole,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        given = told["given"]
        if given is not None:
            given = {voice: [Stretch(*cut) for cut in cuts] for voice, cuts in given}
        settings = SegmentationSettings.from_json(told["segmentation"])
        return cls(told["channels"], settings, given, told["keep_whole"])


@dataclass(frozen=True)
class SurveyedClip:
    """A stretch of the recording, its figures, and the hashes that near-duplicates of it share (signed, 64 bits)."""

    stretch: Stretch
    quality: Quality
    hashes: tuple[int, ...]


@dataclass(frozen=True)
class Track:
    """What was found on one channel, counted from 0, or on all together (None); its loudest 10 ms in dBFS."""

    channel: int | None
    clips: tuple[SurveyedClip, ...]
    speech_seconds: float
    loudest_db: float

    def to_json(self) -> dict[str, Any]:
        clips = [
            [one.stretch.start, one.stretch.end, astuple(one.quality), list(one.hashes)] for one in self.clips
        ]
        return {
            "channel": self.channel,
            "clips": clips,
            "speech_seconds": self.speech_seconds,
            "loudest_db": self.loudest_db,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        clips = tuple(
            SurveyedClip(Stretch(start, end), Quality(*quality), tuple(hashes))
            for start, end, quality, hashes in told["clips"]
        )
        return cls(told["channel"], clips, told["speech_seconds"], told["loudest_db"])


@dataclass(frozen=True)
class SurveyedFile:
    """A whole file: its length in samples at 16 kHz; `rate` (Hz), `channels` and `format` are its own."""

    samples: int
    rate: int
    channels: int
    format: str
    tracks: tuple[Track, ...]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE

    @property
    def loudest_db(self) -> float:
        """The loudest 10 ms of any track, dBFS."""
        return max((track.loudest_db for track in self.tracks), default=-120.0)
