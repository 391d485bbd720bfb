"""One pass over a recording's samples: where somebody speaks, where to cut, and what each clip is worth.

Runs in the decoding child: only the small answer leaves it. What it keeps of a recording grows by some 10 MB an hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.clipping import ClippingMeter
from earmark.speech.cutting import FRAME, Stretch
from earmark.speech.fingerprint import Fingerprinter
from earmark.speech.quality import QualityMeter, assess
from earmark.speech.segmentation import SegmentationSettings, segment, speech
from earmark.speech.spectra import Spectrograph, decibels
from earmark.speech.surveyed import SurveyedClip
from earmark.speech.voice_activity import VoiceDetector


@dataclass(frozen=True)
class Surveyed:
    """A whole recording: its length in samples at 16 kHz, its clips, its seconds of speech, and its loudest 10 ms
    in dBFS (-120 to 0).
    """

    samples: int
    clips: tuple[SurveyedClip, ...]
    speech_seconds: float
    loudest_db: float


class Surveyor:
    """Surveys one voice of a recording at `rate` Hz as its samples stream by.

    With `given` the clips are those stretches, one for one, cut off where the recording ends (one that lies beyond it
    comes back empty); else they are found by `segmentation`. `keep_whole` keeps a recording of at most
    `segmentation.longest` in one clip whatever silence it holds: it has a text of its own.
    """

    def __init__(
        self,
        rate: int,
        *,
        segmentation: SegmentationSettings,
        given: Sequence[Stretch] | None = None,
        keep_whole: bool = False,
    ) -> None:
        self._settings, self._given, self._keep_whole = segmentation, given, keep_whole
        self._samples = 0
        self._loudest = 0.0
        self._resampler = None
        if rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        self._clipping = ClippingMeter(rate)
        self._voice = VoiceDetector()
        self._spectrograph = Spectrograph()
        self._quality = QualityMeter()
        self._fingerprinter = Fingerprinter()

    def add(self, block: np.ndarray) -> None:
        """Take in float32 [n] of one voice at the file's own rate."""
        self._clipping.add(block)
        self._hear(self._resampler.resample_chunk(block) if self._resampler else block)

    def finish(self) -> Surveyed:
        """What was found."""
        if self._resampler:
            self._hear(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        self._measure(self._spectrograph.finish())
        measured = self._quality.finish(self._clipping.finish())
        fingerprints = self._fingerprinter.finish()
        voice = self._voice.finish()
        talk = speech(voice, measured.loudness, self._samples, self._settings)
        stretches = self._stretches(talk, measured.loudness)
        return Surveyed(
            samples=self._samples,
            clips=tuple(
                SurveyedClip(each, assess(measured, each, talk), fingerprints.hashes(each))
                for each in stretches
            ),
            speech_seconds=float((talk[:, 1] - talk[:, 0]).sum()) / SAMPLE_RATE,
            loudest_db=float(decibels(np.float32(self._loudest**2))),
        )

    def _hear(self, samples: np.ndarray) -> None:
        heard = np.clip(samples, -1.0, 1.0)
        self._samples += len(heard)
        self._loudest = max(self._loudest, _loudest(heard))
        self._voice.add(heard)
        self._measure(self._spectrograph.add(heard))

    def _measure(self, power: np.ndarray) -> None:
        self._quality.add(power)
        self._fingerprinter.add(power)

    def _stretches(self, talk: np.ndarray, loudness: np.ndarray) -> list[Stretch]:
        if self._given is None:
            return segment(talk, loudness, self._samples, self._settings, keep_whole=self._keep_whole)
        ends = [(max(0, each.start), min(each.end, self._samples)) for each in self._given]
        return [Stretch(min(start, end), end) for start, end in ends]


def _loudest(samples: np.ndarray) -> float:
    """The highest deviation of any 10 ms from its mean, so that a constant is silent; 1 is full scale."""
    whole = len(samples) // FRAME * FRAME
    frames = samples[:whole].reshape(-1, FRAME) if whole else samples.reshape(1, -1)
    return float(frames.std(axis=1).max(initial=0.0)) if len(samples) else 0.0
