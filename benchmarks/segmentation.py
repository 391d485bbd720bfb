"""How many words stay whole and how much silence gets into clips: `python -m benchmarks.segmentation [--quick]`.

Synthesised talk whose pauses and word times are known, cut by the very code that imports run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np

from benchmarks.made_speech import NOISES, Talk, conversation, noise, noisy
from benchmarks.reporting import Report, arguments, publish
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.cutting import FRAME, Stretch
from earmark.speech.segmentation import SegmentationSettings, segment, speech
from earmark.speech.spectra import Spectrograph, decibels
from earmark.speech.synthesis import Synthesiser
from earmark.speech.voice_activity import VOICE_FRAME, VoiceDetector

SEEDS = (1, 2, 3, 4)
MINUTES = 4.0
SNR_DB = 10.0
CLEAN_DB = 45.0
PAUSE_SECONDS = 0.25
SETTINGS = SegmentationSettings()
FIXED_SECONDS = 10.0
ENERGY_DB = 15.0

PAGE = """
Talk of synthetic people in American, Scottish and Caribbean English, Mandarin and Cantonese: turns of one to five
sentences at their own levels, pauses log-uniform between 0.15 and 3 s, {minutes:g} minutes for each seed and condition.
espeak-ng says when each word begins; a word ends where its sound does. `clean` has pink noise {clean:g} dB under the
speech; at {snr:g} dB the noise is white, pink, the babble of eight voices, or hum, each on all of the talk.

- `words_whole`: the share of words that lie wholly within one clip (goal 0.99), with noise `words_whole_10db` (0.97).
- `nonspeech_share`: the share of the clips' time, in `clean`, that lies in no word and in no gap between words under
  {pause:g} s, which is fluent speech (goal 0.05). With noise, `nonspeech_share_10db`; babble has the most of it, being
  speech to a detector of speech.
- `words_whole_without_pauses`: talk in which nobody pauses longer than 0.12 s, so that cuts every 30 s must come.

Beside it in the same run: `energy`, the same cutting by what rises {energy:g} dB over the quietest tenth of the
recording instead of Silero's detector (baseline); and `fixed`, a cut every {fixed:g} s.

Defaults were chosen on other seeds (101, 102).
"""


@dataclass(frozen=True)
class Counted:
    """Words, those that are whole; samples in clips, those without speech; clips."""

    words: int
    whole: int
    samples: int
    quiet: int
    clips: int

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(*(a + b for a, b in zip(self.row(), other.row(), strict=True)))

    def row(self) -> tuple[int, ...]:
        return self.words, self.whole, self.samples, self.quiet, self.clips

    @property
    def words_whole(self) -> float:
        return self.whole / self.words

    @property
    def nonspeech_share(self) -> float:
        return self.quiet / self.samples


def main() -> None:
    quick = arguments(__doc__ or "").quick
    seeds, minutes = (SEEDS[:1], MINUTES / 2) if quick else (SEEDS, MINUTES)
    cutters = {"silero": by_voice, "energy": by_energy, "fixed": every_ten_seconds}
    found: dict[tuple[str, str], Counted] = {}
    for seed in seeds:
        for condition, talk, samples in _recordings(seed, minutes):
            loudness = _loudness(samples)
            for name, cut in cutters.items():
                counted = _count(talk, cut(samples, loudness))
                key = name, condition
                found[key] = found[key] + counted if key in found else counted
    publish(
        Report(
            "segmentation",
            figures={
                **_figures("silero", found),
                "words_whole_10db_by_noise": {kind: found["silero", kind].words_whole for kind in NOISES},
                "nonspeech_share_10db_by_noise": {
                    kind: found["silero", kind].nonspeech_share for kind in NOISES
                },
                "fixed_words_whole": found["fixed", "clean"].words_whole,
                "fixed_nonspeech_share": found["fixed", "clean"].nonspeech_share,
                "settings": SETTINGS.to_json(),
            },
            baseline=_figures("energy", found),
            seeds=seeds,
            page=PAGE.format(
                minutes=minutes,
                clean=CLEAN_DB,
                snr=SNR_DB,
                pause=PAUSE_SECONDS,
                energy=ENERGY_DB,
                fixed=FIXED_SECONDS,
            ),
        ),
        quick=quick,
    )


def _figures(cutter: str, found: Mapping[tuple[str, str], Counted]) -> dict[str, float]:
    clean, without = found[cutter, "clean"], found[cutter, "without pauses"]
    loud = sum((found[cutter, kind] for kind in NOISES[1:]), found[cutter, NOISES[0]])
    return {
        "words_whole": clean.words_whole,
        "nonspeech_share": clean.nonspeech_share,
        "words_whole_10db": loud.words_whole,
        "nonspeech_share_10db": loud.nonspeech_share,
        "words_whole_without_pauses": without.words_whole,
        "clip_seconds": clean.samples / clean.clips / SAMPLE_RATE,
        "words": clean.words,
    }


def _recordings(seed: int, minutes: float) -> Sequence[tuple[str, Talk, np.ndarray]]:
    rng, synthesiser = Random(f"segmentation:{seed}"), Synthesiser()
    talk = conversation(synthesiser, minutes * 60, rng)
    hasty = conversation(synthesiser, minutes * 60, rng, pauses=(0.02, 0.12))
    made = {kind: noise(kind, len(talk.samples), rng, synthesiser) for kind in NOISES}
    quiet = noise("pink", len(hasty.samples), rng, synthesiser)
    return [
        ("clean", talk, _within_range(noisy(talk, made["pink"], CLEAN_DB))),
        ("without pauses", hasty, _within_range(noisy(hasty, quiet, CLEAN_DB))),
        *((kind, talk, _within_range(noisy(talk, made[kind], SNR_DB))) for kind in NOISES),
    ]


def _within_range(samples: np.ndarray) -> np.ndarray:
    return (samples / max(1.0, float(np.abs(samples).max()))).astype(np.float32)


def _loudness(samples: np.ndarray) -> np.ndarray:
    spectrograph = Spectrograph()
    power = np.concatenate([spectrograph.add(samples), spectrograph.finish()])
    return decibels(power[:, 2:].sum(axis=1))


def by_voice(samples: np.ndarray, loudness: np.ndarray) -> list[Stretch]:
    """What imports do."""
    detector = VoiceDetector()
    detector.add(samples)
    return _segment(detector.finish(), samples, loudness)


def by_energy(samples: np.ndarray, loudness: np.ndarray) -> list[Stretch]:
    """Speech is what rises over the quietest tenth of the recording."""
    likely = (loudness > np.percentile(loudness, 10) + ENERGY_DB).astype(np.float32)
    centres = (np.arange(-(-len(samples) // VOICE_FRAME)) + 0.5) * VOICE_FRAME
    return _segment(likely[np.minimum(centres / FRAME, len(likely) - 1).astype(int)], samples, loudness)


def _segment(likely: np.ndarray, samples: np.ndarray, loudness: np.ndarray) -> list[Stretch]:
    talk = speech(likely, loudness, len(samples), SETTINGS)
    return segment(talk, loudness, len(samples), SETTINGS)


def every_ten_seconds(samples: np.ndarray, loudness: np.ndarray) -> list[Stretch]:
    """Without listening."""
    edges = [*range(0, len(samples), round(FIXED_SECONDS * SAMPLE_RATE)), len(samples)]
    return [Stretch(start, end) for start, end in pairwise(edges)]


def _count(talk: Talk, clips: Sequence[Stretch]) -> Counted:
    starts, ends = np.array([one.start for one in clips]), np.array([one.end for one in clips])
    at = np.searchsorted(starts, talk.words[:, 0], side="right") - 1
    whole = (at >= 0) & (talk.words[:, 1] <= ends[np.maximum(at, 0)])
    spoken = np.concatenate([[0], np.cumsum(talk.speech(PAUSE_SECONDS))])
    samples = int((ends - starts).sum())
    quiet = samples - int((spoken[ends] - spoken[starts]).sum())
    return Counted(len(talk.words), int(whole.sum()), samples, quiet, len(clips))


if __name__ == "__main__":
    main()
