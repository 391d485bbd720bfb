"""Whether text written where nobody speaks is caught, and what that costs on speech."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
import torch

from benchmarks.doubtful_clips import DoubtfulClip, doubtful_clips, hear
from benchmarks.made_sounds import SOUNDS, a_sound
from benchmarks.reporting import ROOT, Figure, Report, arguments, publish
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.confidence import FLAGS, Confidence, clip_confidence
from earmark.speech.engine import Heard
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.segmentation import SegmentationSettings
from earmark.speech.survey import Surveyor

SEEDS = (1, 2, 3)
CLIPS, QUICK_CLIPS = 500, 170
MODEL = "models/glm-asr-tiny"
SPOKEN = ("clean", "noisy", "unknown dialect")
PAGE = """
{clips} clips for each seed in which nobody speaks, 0.8 to 8 s, as many of each of {kinds}, heard by the demo model,
which writes something into nearly all of them (`wrote`).

- `caught` (goal 0.99): clips whose text is empty or flagged; `seconds_of_voice` found by the detector as the clip is
  heard. `caught_as_ingested`: the same with the seconds of voice that were measured when the clip was ingested.
- `caught_by_kind`: where it is not all of them. `flags`: which flags did it, of all texts; several may.
- `false_alarms`: as many clips with speech (known and unknown dialects, noise of 5 to 15 dB), flagged although the text
  has no error; `flagged_by_kind` counts those flagged at all. An unknown dialect of Cantonese written in English
  words is rightly flagged as another language.
- Baseline: the flags that look at the text and the level only (loops, pace, silence).

Thresholds were chosen on other seeds (101 to 103, 201).
"""
SIMPLE = frozenset({"empty", "loop", "truncated", "odd_rate", "silence"})


@dataclass
class Tally:
    """Clip by clip: its kind, whether its text was caught, and how."""

    kinds: list[str] = field(default_factory=list)
    caught: list[bool] = field(default_factory=list)
    caught_as_ingested: list[bool] = field(default_factory=list)
    caught_simply: list[bool] = field(default_factory=list)
    wrote: list[bool] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)
    spoken: list[tuple[str, bool, bool, bool]] = field(default_factory=list)


def main() -> None:
    quick = arguments(__doc__ or "").quick
    torch.set_num_threads(1)
    seeds, count = (SEEDS[:1], QUICK_CLIPS) if quick else (SEEDS, CLIPS)
    engine = GlmAsrEngine.load(str(ROOT / MODEL), "cpu")
    tally = Tally()
    for seed in seeds:
        _listen_to_nobody(engine, count, seed, tally)
        _listen_to_people(engine, doubtful_clips(count, seed, kinds=SPOKEN), tally)
    publish(
        Report(
            "hallucination",
            figures=_figures(tally),
            baseline={
                "caught": _share(tally.caught_simply),
                "false_alarms": _share([simply and right for _, right, _, simply in tally.spoken]),
            },
            seeds=seeds,
            page=PAGE.format(clips=count, kinds=", ".join(SOUNDS)),
        ),
        quick=quick,
    )


def _listen_to_nobody(engine: GlmAsrEngine, count: int, seed: int, tally: Tally) -> None:
    rng, kinds = Random(f"hallucination:{seed}"), list(SOUNDS)
    sounds = [
        (kinds[number % len(kinds)], a_sound(kinds[number % len(kinds)], rng)) for number in range(count)
    ]
    heard = hear(engine, [samples for _, samples in sounds])
    for (kind, samples), one in zip(sounds, heard, strict=True):
        found, ingested = _assessed(one, samples, ""), _as_ingested(one, samples, "")
        tally.kinds.append(kind)
        tally.wrote.append(bool(one.text.strip()))
        tally.caught.append(bool(found.flags))
        tally.caught_as_ingested.append(bool(ingested.flags))
        tally.caught_simply.append(bool(SIMPLE & set(found.flags)))
        tally.flags.update(found.flags)


def _listen_to_people(engine: GlmAsrEngine, clips: Sequence[DoubtfulClip], tally: Tally) -> None:
    heard = hear(engine, [clip.samples for clip in clips])
    for clip, one in zip(clips, heard, strict=True):
        flags = set(_assessed(one, clip.samples, clip.language).flags)
        flags |= set(_as_ingested(one, clip.samples, clip.language).flags)
        tally.spoken.append((clip.kind, one.text == clip.text, bool(flags), bool(flags & SIMPLE)))


def _assessed(heard: Heard, samples: np.ndarray, language: str) -> Confidence:
    return clip_confidence(heard, len(samples) / SAMPLE_RATE, samples, language=language)


def _as_ingested(heard: Heard, samples: np.ndarray, language: str) -> Confidence:
    surveyor = Surveyor(SAMPLE_RATE, segmentation=SegmentationSettings(), keep_whole=True)
    surveyor.add(samples)
    voice = sum(clip.quality.speech_seconds for clip in surveyor.finish().clips)
    seconds = len(samples) / SAMPLE_RATE
    return clip_confidence(heard, seconds, samples, language=language, voice_seconds=voice)


def _figures(tally: Tally) -> dict[str, Figure]:
    return {
        "caught": _share(tally.caught),
        "caught_as_ingested": _share(tally.caught_as_ingested),
        "wrote": _share(tally.wrote),
        "caught_by_kind": {
            kind: _share([one for one, of in zip(tally.caught, tally.kinds, strict=True) if of == kind])
            for kind in SOUNDS
        },
        "flags": {name: round(tally.flags[name] / len(tally.caught), 4) for name in FLAGS},
        "false_alarms": _share([right and flagged for _, right, flagged, _ in tally.spoken]),
        "flagged_by_kind": {
            kind: _share([flagged for of, _, flagged, _ in tally.spoken if of == kind]) for kind in SPOKEN
        },
        "clips": len(tally.caught),
        "spoken_clips": len(tally.spoken),
    }


def _share(found: Sequence[bool]) -> float:
    return float(np.mean(found))


if __name__ == "__main__":
    main()
