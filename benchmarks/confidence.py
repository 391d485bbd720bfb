"""Whether the confidence of a clip means what it says, after 300 audited clips: held against max-probability alone."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.doubtful_clips import HIGHEST_SNR, LOWEST_SNR, SHARES, DoubtfulClip, doubtful_clips, hear
from benchmarks.reporting import ROOT, Figure, Report, arguments, publish
from earmark.speech import calibration_figures
from earmark.speech.calibration import COLUMNS, Assessed
from earmark.speech.calibration_fit import Audited, audited, fit
from earmark.speech.calibration_report import isotonic_of_max_probability, max_probability, quality
from earmark.speech.confidence import FLAGS, clip_confidence
from earmark.speech.engine import Heard
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.perturbation import LEAST_PRIOR, MOST_PRIOR, disagreements
from earmark.speech.word_doubts import words_of

SEEDS = (1, 2, 3)
CLIPS, QUICK_CLIPS = 2_400, 900
DRAWS = 5
AUDITED = 300
COVERAGE = 0.6
MODEL = "models/glm-asr-tiny"
DOUBTS = ("mean_doubt", "total_doubt", "weakest_token", "weakest_word", "low_probability_share")
WITHOUT = {
    "token and word log-probabilities": DOUBTS,
    "entropies": ("mean_entropy", "max_entropy"),
    "voice": ("voice_for_text", "is_flagged"),
    "pace and repetition": ("fullness", "compression_ratio"),
    "alignment": ("alignment", "worst_word", "longest_pause"),
    "the prior": ("prior",),
}
"""What is left out, in turn, to see what it is worth."""
ALONE = {
    "mean log-probability": ("mean_doubt",),
    "weakest word": ("weakest_word",),
    "mean entropy": ("mean_entropy",),
    "highest entropy": ("max_entropy",),
    "share under 0.5": ("low_probability_share",),
    "alignment": ("alignment", "worst_word"),
    "the prior": ("prior",),
}

PAGE = """
Is the probability that a clip's text is right to be believed? {clips} clips for each seed, heard once by the demo
model: {shares}. Noisy means {low:g} to {high:g} dB (white, pink, babble, hum); a clip without speech has the empty text
as its truth, so that any text there is wrong. {wrong:.0%} of all clips are wrong.

{audited} clips are drawn at random and audited, the calibrator is fitted on them, everything is measured on the rest:
{draws} draws for each of {seeds} seeds; the figures are means over all draws, `spread` holds their standard deviations.

- `auroc` (goal 0.90): a right clip scores above a wrong one. `ece` (goal at most 0.03): 15 bins of equal numbers of
  clips. `nce` (goal 0.45): share of the uncertainty that is gone. `aurc`: error among the surest, over all coverages.
- `accepted_error_ratio_at_60` (goal at most 0.35): error rate of the surest 60 % of clips over that of all.
- `maxprob_...`: the mean probability of the likeliest tokens alone, put through an isotonic regression on the same
  {audited} clips; `maxprob_raw_...`: as it is; `maxprob_logistic_...`: through a logistic regression.
- `speech_...`: the same calibrators judged only on clips in which somebody speaks. There the voice detector, which
  makes silence and music easy, is no help.
- `error_rate_expected` and `error_rate_found`: the mean of the error rates the calibrator expects of clips (at most 1
  each), and what they were. `word_ece`, `word_auroc`: of single words, for the colours of the clip page.
- `without` and `alone`: what the figures become without a group of features, or with nothing else. `agreement` compares
  figures with and without the disagreement between what is heard in a clip and in three perturbed copies of it (slower,
  noisier, with gaps), measured for clips whose prior lies between {least} and {most}.
- `features_share_of_hearing`: seconds for all features and flags over those of hearing, one thread each, with the voice
  looked for; `features_share_as_ingested`: where it was measured at ingest, as in a transcription.

Constants were chosen on other seeds (101 to 103).
"""


@dataclass(frozen=True)
class Pool:
    """Clips with what was heard in them, judged: arrays of the same length."""

    kinds: np.ndarray
    clips: Sequence[Audited]
    errors: np.ndarray
    units: np.ndarray
    disagreement: Mapping[int, float]
    share_of_hearing: float
    share_as_ingested: float


Row = dict[str, float]


def main() -> None:
    quick = arguments(__doc__ or "").quick
    torch.set_num_threads(1)
    seeds, count, draws = (SEEDS[:1], QUICK_CLIPS, 2) if quick else (SEEDS, CLIPS, DRAWS)
    engine = GlmAsrEngine.load(str(ROOT / MODEL), "cpu")
    pools = {seed: heard_pool(engine, count, seed) for seed in seeds}
    rows = [row for seed, pool in pools.items() for row in _rows(pool, seed, draws)]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    ours = {name: value for name, value in mean.items() if not name.startswith("maxprob_")}
    figures: dict[str, Figure] = {
        **ours,
        **{name: value for name, value in mean.items() if name.startswith("maxprob_")},
        "spread": {name: float(np.std([row[name] for row in rows])) for name in _MAIN},
        "without": {name: _ablated(pools, draws, left_out=some) for name, some in WITHOUT.items()},
        "alone": {name: _ablated(pools, draws, only=some) for name, some in ALONE.items()},
        "agreement": _agreement(pools, draws),
        "features_share_of_hearing": float(np.mean([pool.share_of_hearing for pool in pools.values()])),
        "features_share_as_ingested": float(np.mean([pool.share_as_ingested for pool in pools.values()])),
        "flagged": _flagged(list(pools.values())),
    }
    wrong = np.mean([not clip.is_right for pool in pools.values() for clip in pool.clips])
    publish(
        Report(
            "confidence",
            figures=figures,
            baseline={name: mean[f"maxprob_{name}"] for name in _MAIN},
            seeds=seeds,
            page=PAGE.format(
                clips=count, shares=", ".join(f"{share:.0%} {kind}" for kind, share in SHARES.items()),
                low=LOWEST_SNR, high=HIGHEST_SNR, wrong=wrong, audited=AUDITED, draws=draws, seeds=len(seeds),
                least=LEAST_PRIOR, most=MOST_PRIOR,
            ),
        ),
        quick=quick,
    )  # fmt: skip


_MAIN = ("auroc", "ece", "nce", "aurc", "accepted_error_ratio_at_60")


def heard_pool(engine: GlmAsrEngine, count: int, seed: int) -> Pool:
    """Make the clips of a seed, hear them once, and judge each against its truth."""
    clips = doubtful_clips(count, seed)
    clip_confidence(Heard("", (), truncated=False), 1.0, np.ones(16_000, np.float32))
    began = time.process_time()
    heard = hear(engine, [clip.samples for clip in clips])
    hearing = time.process_time() - began
    began = time.process_time()
    trusted = [
        clip_confidence(one, clip.seconds, clip.samples, language=clip.language)
        for one, clip in zip(heard, clips, strict=True)
    ]
    assessing = time.process_time() - began
    began = time.process_time()
    for one, clip in zip(heard, clips, strict=True):
        clip_confidence(one, clip.seconds, clip.samples, language=clip.language, voice_seconds=clip.seconds)
    as_ingested = time.process_time() - began
    judged = [
        audited(
            Assessed(trust.value, trust.features, trust.flags),
            text=one.text,
            reference=clip.text,
            language=clip.language,
            words=words_of(one.tokens),
        )
        for clip, one, trust in zip(clips, heard, trusted, strict=True)
    ]
    return Pool(
        np.array([clip.kind for clip in clips]),
        judged,
        np.array([clip.counts.errors for clip in judged]),
        np.array([clip.counts.reference_units for clip in judged]),
        _disagreement(engine, clips, heard, judged, seed),
        assessing / hearing,
        as_ingested / hearing,
    )


def _disagreement(
    engine: GlmAsrEngine,
    clips: Sequence[DoubtfulClip],
    heard: Sequence[Heard],
    judged: Sequence[Audited],
    seed: int,
) -> dict[int, float]:
    near = [i for i, clip in enumerate(judged) if LEAST_PRIOR <= clip.assessed.prior <= MOST_PRIOR]
    rng, found = np.random.default_rng([seed, 7]), {}
    for first in range(0, len(near), 32):
        some = near[first : first + 32]
        told = disagreements(engine, [clips[i].samples for i in some], [heard[i] for i in some], rng)
        found.update(zip(some, told, strict=True))
    return found


def _splits(pool: Pool, seed: int, draws: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Who is audited and who is measured, in each draw."""
    dealt = [np.random.default_rng([seed, draw]).permutation(len(pool.clips)) for draw in range(draws)]
    return [(order[:AUDITED], order[AUDITED:]) for order in dealt]


def _of(pool: Pool, index: np.ndarray) -> list[Audited]:
    return [pool.clips[i] for i in index]


def _rows(pool: Pool, seed: int, draws: int) -> list[Row]:
    found = []
    for draw, (audit, rest) in enumerate(_splits(pool, seed, draws)):
        rng = np.random.default_rng([seed, draw, 1])
        known, measured = _of(pool, audit), _of(pool, rest)
        calibrator = fit(known, rng)
        probability, expected = calibrator.assess([clip.assessed for clip in measured])
        plain = max_probability(measured)
        row = _scored(pool, rest, probability, "")
        row |= _scored(pool, rest, isotonic_of_max_probability(known, measured)[:, 0], "maxprob_")
        row |= _scored(pool, rest, plain, "maxprob_raw_")
        row |= _scored(pool, rest, _logistic_of_max_probability(known, measured), "maxprob_logistic_")
        speech = ~np.isin(pool.kinds[rest], ("silent", "no speech"))
        row |= _scored(pool, rest[speech], probability[speech], "speech_")
        row |= _scored(pool, rest[speech], plain[speech], "maxprob_raw_speech_")
        row["error_rate_expected"] = float(expected.mean())
        row["error_rate_found"] = float(np.mean([clip.rate for clip in measured]))
        found.append(row | _word_figures(calibrator.words, measured, probability))
    return found


def _scored(pool: Pool, index: np.ndarray, probability: np.ndarray, prefix: str) -> Row:
    right = (pool.errors[index] == 0).astype(np.float64)
    found = {name: value or 0.0 for name, value in quality(probability, right).items()}
    ratio = calibration_figures.accepted_error(probability, pool.errors[index], pool.units[index], COVERAGE)
    return {
        f"{prefix}{name}": value for name, value in {**found, "accepted_error_ratio_at_60": ratio}.items()
    }


def _logistic_of_max_probability(known: Sequence[Audited], measured: Sequence[Audited]) -> np.ndarray:
    """The mean probability as if it were the mean log-probability, through the same machinery."""
    given = [_only_max_probability(clip) for clip in known]
    calibrator = fit(given, np.random.default_rng(0), columns=("mean_doubt",))
    return calibrator.assess([_only_max_probability(clip).assessed for clip in measured])[0]


def _only_max_probability(clip: Audited) -> Audited:
    plain = clip.assessed.features["mean_probability"] or 0.0
    return replace(clip, assessed=Assessed(plain, {"mean_logprob": plain - 1.0}, ()))


def _word_figures(words, measured: Sequence[Audited], probability: np.ndarray) -> Row:  # type: ignore[no-untyped-def]
    sure, right = [], []
    for clip, whole in zip(measured, probability, strict=True):
        told = words([word for word, _ in clip.words], float(whole))
        if told is not None:
            sure += told.tolist()
            right += [float(is_right) for _, is_right in clip.words]
    found = quality(np.array(sure), np.array(right))
    return {
        "word_ece": found["ece"] or 0.0,
        "word_auroc": found["auroc"] or 0.0,
        "word_nce": found["nce"] or 0.0,
    }


def _ablated(
    pools: Mapping[int, Pool], draws: int, *, left_out: Sequence[str] = (), only: Sequence[str] = ()
) -> dict[str, float]:
    columns = [name for name in (only or COLUMNS) if name not in left_out]
    rows = []
    for seed, pool in pools.items():
        for draw, (audit, rest) in enumerate(_splits(pool, seed, draws)):
            rng = np.random.default_rng([seed, draw, 1])
            calibrator = fit(_of(pool, audit), rng, columns=columns)
            rows.append(_scored(pool, rest, calibrator.assess([c.assessed for c in _of(pool, rest)])[0], ""))
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in _MAIN}


def _agreement(pools: Mapping[int, Pool], draws: int) -> dict[str, float]:
    """Figures over the clips near the decision alone, without and with how they stand being perturbed."""
    found: dict[str, list[float]] = {}
    for seed, pool in pools.items():
        with_it = [_with_disagreement(clip, pool.disagreement.get(i)) for i, clip in enumerate(pool.clips)]
        near = np.isin(np.arange(len(pool.clips)), list(pool.disagreement))
        alone = np.array([-pool.disagreement[i] for i in sorted(pool.disagreement)])
        right = (pool.errors[near] == 0).astype(np.float64)
        found.setdefault("near_share", []).append(float(near.mean()))
        found.setdefault("auroc_of_disagreement", []).append(calibration_figures.auroc(alone, right) or 0.0)
        for draw, (audit, rest) in enumerate(_splits(pool, seed, draws)):
            judged = rest[near[rest]]
            for name, clips in (("without", pool.clips), ("with", with_it)):
                calibrator = fit(
                    [clips[i] for i in audit], np.random.default_rng([seed, draw, 1]), columns=[*COLUMNS]
                )
                score = calibrator.assess([clips[i].assessed for i in judged])[0]
                for figure in ("auroc", "nce"):
                    value = _scored(pool, judged, score, "")[figure]
                    found.setdefault(f"near_{figure}_{name}", []).append(value)
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def _with_disagreement(clip: Audited, found: float | None) -> Audited:
    features = {**clip.assessed.features, "disagreement": found}
    return replace(clip, assessed=replace(clip.assessed, features=features))


def _flagged(pools: Sequence[Pool]) -> dict[str, dict[str, float]]:
    """Share of clips of each kind under each flag."""
    found: dict[str, dict[str, float]] = {}
    for kind in SHARES:
        flags = [
            clip.assessed.flags
            for pool in pools
            for clip, of in zip(pool.clips, pool.kinds, strict=True)
            if of == kind
        ]
        found[kind] = {name: round(sum(name in some for some in flags) / len(flags), 4) for name in FLAGS}
    return found


if __name__ == "__main__":
    main()
