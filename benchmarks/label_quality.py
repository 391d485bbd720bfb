"""Whether the quality of labels can be known without the truth: `python -m benchmarks.label_quality`.

Made-up annotators with known error rates label clips whose text is known; what their answers alone tell of them is held
against the truth. Then slips are made in true texts of spoken clips, and looked for.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from random import Random

import torch

from annotation.consensus import agreed, forced
from annotation.reliability import Known, Reliability, reliabilities, vote
from annotation.slips import Fit, HeardUnit, doubted, heard_units
from benchmarks.doubtful_clips import DoubtfulClip, doubtful_clips, hear
from benchmarks.made_labels import RATES, Labelled, labelled_clips
from benchmarks.reporting import ROOT, Figure, Report, arguments, publish
from earmark.speech.alignment import encode_clips, require_aligner
from earmark.speech.engine import Heard
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.scoring import ErrorCounts, bootstrap_interval, count_errors, error_rate
from earmark.speech.text import units
from earmark.speech.word_doubts import words_of

SEEDS = (1, 2, 3, 4, 5)
LANGUAGES = ("en", "zh")
CLIPS, QUICK_CLIPS = 600, 200
SPOKEN, QUICK_SPOKEN = 240, 60
KNOWN = 30
CONDITIONS = ("clean", "noisy", "unknown dialect")
MADE = ("left_out", "added", "wrong")
PAGE = """
**People.** {people} made-up annotators with error rates from {least:.1%} to {most:.0%} of words (Chinese: characters)
label {clips} clips of one to three demo sentences, each clip three of them drawn at random, in English and in Chinese,
{seeds} seeds. They mistype as people do (`earmark.demo.mistakes`), write other words, leave some out, add some; three
in a hundred words are hard: everyone errs there four times as often, and in three cases of five in the same way.

- `worst_relative_error`: how far the error rate estimated without any truth (`annotation.reliability`) is from the rate
  over the very texts the person wrote, for the person furthest off; goal 0.2. `within_20_percent`: the share of all
  {all_people} people who are nearer. `mean_bias`: the mean of the signed relative differences. `worst_by_rate`: the
  furthest off among those of each nominal rate: a careful person makes a dozen errors in all, and so it is them.
- `worst_with_known`: the same with {known} known answers a person besides: other texts than those the rate is held
  against, so that it scatters more; what it adds are the errors people make together. `interval_coverage`: how often
  the person's rate lies within the 95 % interval; nearly always, for the interval also allows for other clips.
- `consensus_error`: error rate of the weighted vote on all clips, whether there was a majority everywhere or not;
  `over_single`: that over the mean error of one annotator, goal 0.5. `accepted_error`, `accepted_share`: of the clips
  with a majority of two people in every place, which need no adjudication.
- Baselines: `single_error`, one annotator; `unweighted`, the vote with all people alike; `agreement_only`, each
  person's estimate from how often they differ from the plain vote, as `worst_relative_error`.

**Slips.** {spoken} spoken clips a seed of the demo voices, clean, with noise of 5 to 15 dB, and of dialects the model
never heard, transcribed by the demo model; each true text as it is, and with one word left out, added, or replaced by
another. `slip_recall`: slips that are told; `slip_false_alarms`: true texts that are doubted although the person was
right, so most often where the champion was wrong; `slip_precision`: at one slip in twenty answers. By kind and by
condition. Baseline: every difference from what was heard is told. A model doubts in a dialect it does not know seldom,
and rightly so; what it misses there is seen only by overlap.

Thresholds were chosen on other seeds (101 to 103, 301).
"""


def main() -> None:
    quick = arguments(__doc__ or "").quick
    torch.set_num_threads(1)
    seeds = SEEDS[:1] if quick else SEEDS
    clips, spoken = (QUICK_CLIPS, QUICK_SPOKEN) if quick else (CLIPS, SPOKEN)
    people = People()
    for seed in seeds:
        for language in LANGUAGES:
            people.add(labelled_clips(language, clips, people=3, seed=seed), language, seed)
    slips = Slips()
    for seed in seeds:
        slips.add(doubtful_clips(spoken, 10 + seed, kinds=CONDITIONS), seed)
    publish(
        Report(
            "label_quality",
            figures={**people.figures(), **slips.figures()},
            baseline={**people.baseline(), **slips.baseline()},
            seeds=seeds,
            page=PAGE.format(
                people=len(RATES),
                least=RATES[0],
                most=RATES[-1],
                clips=clips,
                seeds=len(seeds),
                known=KNOWN,
                all_people=len(people.apart),
                spoken=spoken,
            ),
        ),
        quick=quick,
    )


class People:
    """Estimates of everyone held against the truth, and what clips amount to."""

    def __init__(self) -> None:
        self.apart: list[tuple[float, float]] = []
        self.with_known: list[float] = []
        self.plain: list[float] = []
        self.covered: list[bool] = []
        self.counts: dict[str, list[ErrorCounts]] = {
            name: [] for name in ("single", "voted", "accepted", "unweighted")
        }
        self.clips = 0

    def add(self, clips: Sequence[Labelled], language: str, seed: int) -> None:
        said = [one.said for one in clips]
        known = _known(language, seed)
        alone = {one.person: one for one in reliabilities(said, seed=seed)}
        helped = {one.person: one for one in reliabilities(said, known, seed=seed, resamples=2)}
        plain = [forced(list(one.said.texts.values()), language) for one in clips]
        for place, rate in enumerate(RATES):
            person = f"p{place}"
            true = error_rate(_counts(clips, person, language))
            self.apart.append((rate, alone[person].error_rate / true - 1))
            self.with_known.append(helped[person].error_rate / true - 1)
            self.covered.append(alone[person].low <= true <= alone[person].high)
            voted = [Labelled(text, one.said) for text, one in zip(plain, clips, strict=True)]
            self.plain.append(error_rate(_counts(voted, person, language)) / true - 1)
        self._vote(clips, language, alone, plain)

    def _vote(
        self, clips: Sequence[Labelled], language: str, people: dict[str, Reliability], plain: Sequence[str]
    ) -> None:
        self.clips += len(clips)
        for one, unweighted in zip(clips, plain, strict=True):
            texts = list(one.said.texts.values())
            weights = [vote(people[person].error_rate) for person in one.said.texts]
            found = agreed(texts, language, weights=weights)
            self.counts["single"] += [count_errors(one.truth, text, language) for text in texts]
            self.counts["voted"].append(
                count_errors(one.truth, forced(texts, language, weights=weights), language)
            )
            self.counts["unweighted"].append(count_errors(one.truth, unweighted, language))
            if found:
                self.counts["accepted"].append(count_errors(one.truth, found.text, language))

    def figures(self) -> dict[str, Figure]:
        voted, single = (error_rate(self.counts[name]) for name in ("voted", "single"))
        apart = [abs(value) for _, value in self.apart]
        return {
            "worst_relative_error": max(apart),
            "within_20_percent": _share(value <= 0.2 for value in apart),
            "mean_bias": statistics.mean(value for _, value in self.apart),
            "worst_by_rate": {
                f"{rate:g}": round(max(abs(value) for at, value in self.apart if at == rate), 3)
                for rate in RATES
            },
            "worst_with_known": max(map(abs, self.with_known)),
            "interval_coverage": _share(self.covered),
            "consensus_error": voted,
            "consensus_interval": [round(one, 5) for one in bootstrap_interval(self.counts["voted"], seed=1)],
            "over_single": voted / single,
            "accepted_error": error_rate(self.counts["accepted"]),
            "accepted_share": len(self.counts["accepted"]) / self.clips,
        }

    def baseline(self) -> dict[str, Figure]:
        return {
            "single_error": error_rate(self.counts["single"]),
            "unweighted": error_rate(self.counts["unweighted"]),
            "agreement_only": max(map(abs, self.plain)),
        }


def _known(language: str, seed: int) -> list[Known]:
    """KNOWN answers of everyone to clips of their own."""
    clips = labelled_clips(language, KNOWN, people=len(RATES), seed=1000 + seed)
    return [
        Known(-number, language, person, text, one.truth)
        for number, one in enumerate(clips)
        for person, text in one.said.texts.items()
    ]


def _counts(clips: Sequence[Labelled], person: str, language: str) -> list[ErrorCounts]:
    texts = [(one.truth, one.said.texts.get(person)) for one in clips]
    return [count_errors(truth, text, language) for truth, text in texts if text is not None]


class Slips:
    """True texts and texts with a slip, and which were doubted."""

    def __init__(self) -> None:
        self._engine = GlmAsrEngine.load(str(ROOT / "models/glm-asr-tiny"), "cpu")
        self._aligner = require_aligner(self._engine.loaded)
        self.told: list[tuple[str, str, bool, bool]] = []

    def add(self, clips: Sequence[DoubtfulClip], seed: int) -> None:
        rng = Random(f"{seed}:slips")
        words = {clip.language: list[str]() for clip in clips}
        for clip in clips:
            words[clip.language] += units(clip.text, clip.language)
        for clip, heard in zip(clips, hear(self._engine, [clip.samples for clip in clips]), strict=True):
            self._look(clip, heard, words[clip.language], rng)

    def _look(self, clip: DoubtfulClip, heard: Heard, words: Sequence[str], rng: Random) -> None:
        doubts = [one for one in words_of(heard.tokens) if one.text]
        model = heard_units(doubts, heard.words, clip.language)
        if not model:
            return
        (encoded,) = encode_clips(self._engine.loaded, [clip.samples])

        def fits(texts: Sequence[str]) -> list[Fit]:
            found = self._aligner.align_batch([encoded] * len(texts), texts)
            return [Fit(one.misfit, one.slip) for one in found]

        for kind, text in _variants(units(clip.text, clip.language), words, rng):
            threshold = self._aligner.head.threshold
            found = doubted(text, model, clip.language, fits=fits, threshold=threshold)
            self.told.append((clip.kind, kind, bool(found), _differs(text, model, clip.language)))

    def figures(self) -> dict[str, Figure]:
        recall = _share(one[2] for one in self.told if one[1])
        alarms = _share(one[2] for one in self.told if not one[1])
        return {
            "slip_recall": recall,
            "slip_false_alarms": alarms,
            "slip_precision": 0.05 * recall / max(1e-9, 0.05 * recall + 0.95 * alarms),
            "slip_recall_by_kind": {
                kind: round(_share(one[2] for one in self.told if one[1] == kind), 3) for kind in MADE
            },
            "slips_by_condition": {
                name: {
                    "recall": round(_share(one[2] for one in self.told if one[0] == name and one[1]), 3),
                    "false_alarms": round(
                        _share(one[2] for one in self.told if one[0] == name and not one[1]), 3
                    ),
                }
                for name in CONDITIONS
            },
        }

    def baseline(self) -> dict[str, Figure]:
        recall = _share(one[3] for one in self.told if one[1])
        alarms = _share(one[3] for one in self.told if not one[1])
        return {
            "slip_recall": recall,
            "slip_false_alarms": alarms,
            "slip_precision": 0.05 * recall / max(1e-9, 0.05 * recall + 0.95 * alarms),
        }


def _differs(text: str, model: Sequence[HeardUnit], language: str) -> bool:
    return units(text, language) != [one.unit for one in model]


def _variants(said: Sequence[str], words: Sequence[str], rng: Random) -> Iterable[tuple[str, str]]:
    """The true text (kind "") and one with a slip of each kind of MADE."""
    place = rng.randrange(len(said))
    other = rng.choice([word for word in words if word != said[place]])
    before, after = list(said[:place]), list(said[place + 1 :])
    yield "", " ".join(said)
    if len(said) > 1:
        yield "left_out", " ".join([*before, *after])
    yield "added", " ".join([*before, said[place], other, *after])
    yield "wrong", " ".join([*before, other, *after])


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else math.nan


if __name__ == "__main__":
    main()
