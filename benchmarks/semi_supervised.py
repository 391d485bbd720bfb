"""How much of the worth of all labels a few labels and a lot of unlabelled speech give."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import dialect_pool
from benchmarks.dialect_pool import Sizes, read_pool, write_garbage, write_pool
from benchmarks.recovery import Interval, Scored, error_rates, recovery, recovery_lost
from benchmarks.reporting import ROOT, Figure, Report, arguments, publish
from benchmarks.training_arm import Outcome, outcome
from training_jobs.recipe.manifest import ClipEntry

MODEL = ROOT / "models" / "glm-asr-tiny"
WORK = ROOT / "var" / "benchmarks" / "semi_supervised"
GARBAGE = 0.2
"""Share of the unlabelled pool in which nothing is to be learned, in the arms that have such."""
AT_ONCE = 2
EPOCHS = 14
ALL = 1.0


PAGE = """
{seeds} seeds, each with a pool, a draw of labels and trainings of its own. A pool is {clips} synthesised phrases of
a second: three dialects `models/glm-asr-tiny` never heard (Scottish, Caribbean, Cantonese: 90 %) and two it knows. Its
timbres are those of no dev or test speaker. The test set is {test} clips of other speakers. Every arm starts from that
model and makes the same number of updates with the same rate and batch; weights are chosen on dev.

- WRR, the share of the gap between a few labels and all of them that was closed: (few - arm) / (few - all), of mean
  error rates over seeds; intervals from 2,000 resamples of seeds and of clips within them, the same for all arms.
- `wrr_earmark` (goal 0.90) and, as the baseline, `wrr_article` at 5 % of the labels; `wrr_by_share`: ours at others.
- `wrr_garbage_drop` (goal at most 0.05): by how much it falls where 20 % of the unlabelled pool is noise, music,
  silence or a language nobody here writes.
- `error_rates`: of each arm, named recipe-share of labels.
- `passes`: pseudo-labels of one seed as they were accepted: their share of the clips heard, the error rate the recipe
  expected of them and the true one. With garbage, `garbage_share` of what was accepted is such.
"""


@dataclass(frozen=True)
class Scale:
    """How much of everything: a pool of its own for each seed, shares of labels, steps in each of the 14 epochs."""

    name: str
    sizes: Sizes
    seeds: Sequence[int]
    shares: Sequence[float]
    epoch_steps: int

    def folder(self, seed: int) -> Path:
        return WORK / self.name / str(seed)


FULL = Scale("full", dialect_pool.FULL, (1, 2, 3), (0.05, 0.02, 0.01, 0.10), 57)
QUICK = Scale("quick", dialect_pool.QUICK, (1,), (0.2,), 2)


@dataclass(frozen=True)
class Arm:
    """One training: which recipe, on which share of the labels, in which pool."""

    recipe: str
    share: float
    seed: int
    garbage: bool = False

    @property
    def name(self) -> str:
        return f"{self.recipe}-{self.share:g}{'-garbage' * self.garbage}"


def main() -> None:
    scale = QUICK if arguments(__doc__ or "").quick else FULL
    for seed in scale.seeds:
        write_pool(scale.folder(seed) / "pool", scale.sizes, seed=seed)
        write_garbage(scale.folder(seed) / "pool", _garbage_clips(scale), seed=seed)
    wanted = arms(scale)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = dict(zip(wanted, pool.map(lambda arm: trained(arm, scale), wanted), strict=True))
    publish(_report(done, scale), quick=scale is QUICK)


def arms(scale: Scale) -> list[Arm]:
    """What the first share needs comes first, seed by seed."""
    first, *others = scale.shares
    few = ("supervised", "earmark", "article")
    found = []
    for seed in scale.seeds:
        found += [Arm(recipe, first, seed) for recipe in few]
        found += [Arm("supervised", ALL, seed), Arm("earmark", first, seed, garbage=True)]
    return found + [
        Arm(recipe, share, seed) for share in others for seed in scale.seeds for recipe in few[:2]
    ]


def trained(arm: Arm, scale: Scale) -> Outcome:
    """Train the arm and score it on the test speakers of its seed.

    The labelled clips of a smaller share are among those of a larger one. Every arm has the same updates, rate and
    batch, which are the demo model's: it is a thousand times smaller than the one a rate of 2e-5 is meant for.
    """
    sides = _sides(scale, arm.seed)
    order = np.random.default_rng([arm.seed, 7]).permutation(len(sides["train"])).tolist()
    count = round(arm.share * len(order))
    unlabelled = [replace(sides["train"][i], text="") for i in sorted(order[count:])]
    job = {
        "base_model": str(MODEL),
        "labelled": [sides["train"][i] for i in sorted(order[:count])],
        "unlabelled": unlabelled + (sides["garbage"] if arm.garbage else []),
        "dev": sides["dev"],
        "recipe": arm.recipe,
        "seed": arm.seed,
        "overrides": {
            "learning_rate": 8e-4,
            "batch_size": 24,
            "micro_batch_size": 24,
            "patience": 0,
            "epoch_steps": scale.epoch_steps,
        },
    }
    truth = {entry.id: entry.text for entry in (*sides["train"], *sides["garbage"])}
    return outcome(scale.folder(arm.seed) / arm.name, job, test=sides["test"], truth=truth)


def _sides(scale: Scale, seed: int) -> Mapping[str, list[ClipEntry]]:
    """The clips of each side, and the garbage, with the places of their audio."""
    folder = scale.folder(seed) / "pool"
    sides = read_pool(folder) | {"garbage": write_garbage(folder, _garbage_clips(scale), seed=seed)}
    return {
        side: [replace(entry, audio=str(folder / entry.audio)) for entry in entries]
        for side, entries in sides.items()
    }


def _garbage_clips(scale: Scale) -> int:
    """So many that they are GARBAGE of the pool without the labels of the first share."""
    clips = sum(scale.sizes.clips(dialect, "train") for dialect in dialect_pool.DIALECTS)
    return round((1 - scale.shares[0]) * clips * GARBAGE / (1 - GARBAGE))


Done = Mapping[Arm, Outcome]


def _report(done: Done, scale: Scale) -> Report:
    main = scale.shares[0]
    few, everything = _scored(done, "supervised", main), _scored(done, "supervised", ALL)
    ours, article = _scored(done, "earmark", main), _scored(done, "article", main)
    spoilt = _scored(done, "earmark", main, garbage=True)
    ours_recovered, article_recovered = recovery(few, ours, everything), recovery(few, article, everything)
    lost = recovery_lost(few, ours, spoilt, everything)
    new = _of_new_dialects(scale)
    figures: dict[str, Figure] = {
        "wrr_earmark": ours_recovered.value,
        "wrr_earmark_interval": [ours_recovered.low, ours_recovered.high],
        "wrr_earmark_seeds": [
            recovery(*({s: a[s]} for a in (few, ours, everything))).value for s in scale.seeds
        ],
        "wrr_earmark_new_dialects": recovery(*(new(arm) for arm in (few, ours, everything))).value,
        "wrr_garbage_drop": lost.value,
        "wrr_garbage_drop_interval": [lost.low, lost.high],
        "wrr_by_share": {f"{share:g}": _recovered(done, "earmark", share) for share in sorted(scale.shares)},
        "error_rates": {name: _shown(error_rates(arm)) for name, arm in _by_name(done).items()},
        "passes": _passes(done, "earmark", main),
        "passes_with_garbage": _passes(done, "earmark", main, garbage=True),
        "updates": max(one.steps for one in done.values()),
    }
    baseline: dict[str, Figure] = {
        "wrr_article": article_recovered.value,
        "wrr_article_interval": [article_recovered.low, article_recovered.high],
        "passes": _passes(done, "article", main),
    }
    clips = sum(scale.sizes.clips(dialect, "train") for dialect in dialect_pool.DIALECTS)
    page = PAGE.format(clips=clips, test=len(next(iter(few.values()))), seeds=len(scale.seeds))
    return Report("semi_supervised", figures, baseline, scale.seeds, page)


def _scored(done: Done, recipe: str, share: float, *, garbage: bool = False) -> Scored:
    return {
        arm.seed: one.counts
        for arm, one in done.items()
        if (arm.recipe, arm.share, arm.garbage) == (recipe, share, garbage)
    }


def _by_name(done: Done) -> dict[str, Scored]:
    names = dict.fromkeys((arm.name, arm.recipe, arm.share, arm.garbage) for arm in done)
    return {name: _scored(done, recipe, share, garbage=spoilt) for name, recipe, share, spoilt in names}


def _recovered(done: Done, recipe: str, share: float) -> str:
    few, everything = _scored(done, "supervised", share), _scored(done, "supervised", ALL)
    return _shown(recovery(few, _scored(done, recipe, share), everything))


def _shown(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _of_new_dialects(scale: Scale) -> Callable[[Scored], Scored]:
    """Only the test clips of dialects the demo model had never heard."""
    known = {dialect.name for dialect in dialect_pool.DIALECTS if dialect.known}
    kept = {
        seed: [place for place, entry in enumerate(_sides(scale, seed)["test"]) if entry.dialect not in known]
        for seed in scale.seeds
    }
    return lambda arm: {seed: [arm[seed][place] for place in kept[seed]] for seed in arm}


def _passes(done: Done, recipe: str, share: float, *, garbage: bool = False) -> dict[str, str]:
    """The pseudo-labels of the middle seed by the step they were made at."""
    seeds = sorted(arm.seed for arm in done if arm.recipe == recipe)
    found = done[Arm(recipe, share, seeds[len(seeds) // 2], garbage)].passes
    return {f"step {one.pop('step'):g}": ", ".join(f"{k} {v:.3f}" for k, v in one.items()) for one in found}


if __name__ == "__main__":
    main()
