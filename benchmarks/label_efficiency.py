"""How many seconds of labels each way of choosing needs, and how much of them it spends on garbage."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from annotation import acquisition
from benchmarks import mixed_pool
from benchmarks.dialect_pool import Sizes
from benchmarks.heard_pool import heard_pool
from benchmarks.label_curves import seconds_share_to_reach
from benchmarks.label_rounds import Played
from benchmarks.mixed_pool import write_mixed_garbage, write_mixed_pool
from benchmarks.recovery import Interval, Scored, error_rates, resampled
from benchmarks.reporting import ROOT, Figure, Report, arguments, publish
from benchmarks.training_arm import Outcome, outcome
from earmark.speech.model_folder import load_model, save_model
from training_jobs.recipe.manifest import ClipEntry

MODEL = ROOT / "models" / "glm-asr-tiny"
WORK = ROOT / "var" / "benchmarks" / "label_efficiency"
STRATEGIES = ("random", "least_confidence", "k_centre", "earmark")
BUDGETS = (0.01, 0.02, 0.04, 0.08, 0.16)
AT = 0.08
GARBAGE = 0.1
"""Share of the pool that is garbage, where garbage is measured."""
AT_ONCE = 2
REPLAYED, REPLAY_SHARE = 600, 0.4
"""Unlabelled clips of the pool, and the share of every batch drawn from what the demo model was sure of in them."""

PAGE = """
{seeds} seeds, each with a pool, rounds and trainings of its own. A pool is {clips} synthesised phrases of a second, of
which `models/glm-asr-tiny` knows three quarters (American English, Mandarin); {new} are of dialects with sounds and
words it never heard (Scottish, Caribbean, Cantonese), {noisy} of known dialects in noise of 3 to 10 dB. The test set is
{test} clips by other speakers, mixed alike. Budgets are shares of the pool's seconds, spent in rounds one after another
(1, then 1 more, 2, 4, 8 %), as users would: each by `annotation.acquisition.choose` with 10 % of it drawn at random, on
what the demo model really heard, with its own confidence, uncalibrated, and its own embeddings. It is not trained
between rounds. What the platform's gate sets aside is asked by none. After each round a model is trained from the demo
model on all that is labelled: the recipe `supervised`, {steps} updates of {batch} clips in every arm, no dev clips;
{replayed:.0%} of every batch replays what the demo model had been sure of (0.95) in {unlabelled} clips of the pool, the
same for all arms. Without that, as every recipe of Earmark but this one has it, each arm forgets what the model knew
(docs/experiments.md).

- `curves`: error rate on the test set by strategy and budget in percent; intervals from 2,000 resamples of seeds and of
  clips within them, the same for all arms.
- `seconds_share_to_reach_random_at_8` (goal: at most 0.30): the labelled seconds with which earmark has the error rate
  that random has at 8 % of the pool, over those of random; between budgets along the logarithm of seconds. `_of` has
  the others. {unreached:g} stands for not reached.
- `earmark_minus_random` (goal: never above 0) by budget.
- `garbage_share` (goal: under 0.02): with garbage as a tenth of the pool (a quarter each: noise and silence, music-like
  tones, speech of eight other languages said to be of one of the pool's, drawn at random, copies encoded again), the
  share of the seconds of all rounds up to 8 % that earmark spends on it; every copy counts, whether its original was
  asked or not. People refuse the garbage they are asked, and later rounds know that. `least_confidence_garbage_share`
  is that strategy alone, without the gate; `_by_budget` and `_behind_gate` have the rest.
"""


@dataclass(frozen=True)
class Scale:
    """How much of everything: a pool of its own for each seed."""

    name: str
    sizes: Sizes
    seeds: Sequence[int]
    budgets: Sequence[float]
    steps: int
    batch: int

    def folder(self, seed: int) -> Path:
        return WORK / self.name / str(seed)

    @property
    def garbage(self) -> int:
        """Clips of garbage beside a pool."""
        clips = sum(self.sizes.clips(dialect, "train") for dialect in mixed_pool.DIALECTS)
        return round(clips * GARBAGE / (1 - GARBAGE))


FULL = Scale("full", mixed_pool.FULL, (1, 2, 3), BUDGETS, 200, 16)
QUICK = Scale("quick", mixed_pool.QUICK, (1,), (0.08, 0.16), 4, 8)


@dataclass(frozen=True)
class Arm:
    """One training: on what a strategy had chosen when a budget was spent."""

    strategy: str
    budget: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.strategy}-{100 * self.budget:g}"


@dataclass(frozen=True)
class Seed:
    """One seed's pool with the clips on its sides."""

    played: Played
    sides: Mapping[str, list[ClipEntry]]


def main() -> None:
    scale = QUICK if arguments(__doc__ or "").quick else FULL
    base = _without_aligner()
    seeds = {seed: prepared(scale, seed) for seed in scale.seeds}
    shares = {seed: garbage_shares(one.played, scale.budgets, seed=seed) for seed, one in seeds.items()}
    done = dict[Arm, Outcome]()
    for seed, one in seeds.items():
        chosen = chosen_by_arm(one.played, scale.budgets, seed=seed)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            work = partial(trained, one, scale, base)
            done.update(zip(chosen, pool.map(work, chosen, chosen.values()), strict=True))
    publish(report(done, shares, seeds, scale), quick=scale is QUICK)


def prepared(scale: Scale, seed: int) -> Seed:
    """The seed's pool and garbage, written, heard and judged; what was done before is read."""
    folder = scale.folder(seed) / "pool"
    sides = write_mixed_pool(folder, scale.sizes, seed=seed)
    entries = [*sides["train"], *write_mixed_garbage(folder, scale.garbage, seed=seed)]
    heard = heard_pool(folder, entries, model=str(MODEL))
    return Seed(Played(entries, heard, len(sides["train"])), sides)


def chosen_by_arm(played: Played, budgets: Sequence[float], *, seed: int) -> dict[Arm, list[int]]:
    """What each arm is trained on, without garbage in the pool; the budgets of one strategy after another."""
    found = {}
    for name in STRATEGIES:
        rounds = played.rounds(getattr(acquisition, name), budgets, seed=seed, garbage=False)
        found |= {Arm(name, budget, seed): clips for budget, clips in zip(budgets, rounds, strict=True)}
    return found


def garbage_shares(played: Played, budgets: Sequence[float], *, seed: int) -> dict[str, list[float]]:
    """The share of the seconds spent on garbage by each budget: of all strategies, and of one without the gate."""
    ways = {name: (name, True) for name in STRATEGIES} | {
        "least_confidence_alone": ("least_confidence", False)
    }
    return {
        way: [
            played.garbage_share(clips)
            for clips in played.rounds(
                getattr(acquisition, name), budgets, seed=seed, garbage=True, gated=gated
            )
        ]
        for way, (name, gated) in ways.items()
    }


def trained(one: Seed, scale: Scale, base: Path, arm: Arm, clips: Sequence[int]) -> Outcome:
    """Train the arm and score it on the test speakers of its seed. The batch and the rate are the demo model's."""
    labelled = set(clips)
    drawn = np.random.default_rng([arm.seed, 3]).permutation(one.played.good)[:REPLAYED]
    unlabelled = [one.played.entries[i] for i in sorted(drawn.tolist()) if i not in labelled]
    job = {
        "base_model": str(base),
        "labelled": [one.played.entries[i] for i in sorted(clips)],
        "unlabelled": [replace(entry, text="") for entry in unlabelled],
        "dev": [],
        "recipe": "supervised",
        "seed": arm.seed,
        "overrides": {
            "learning_rate": 8e-4,
            "batch_size": scale.batch,
            "micro_batch_size": scale.batch,
            "patience": 0,
            "warm_up_epochs": 1,
            "epoch_steps": scale.steps,
            "replay_share": REPLAY_SHARE,
        },
    }
    return outcome(scale.folder(arm.seed) / arm.name, job, test=one.sides["test"], truth={})


def _without_aligner() -> Path:
    """The demo model without the head that times words: fitting it anew to each trained encoder would cost the most."""
    folder = WORK / "base"
    if not folder.exists():
        save_model(replace(load_model(str(MODEL)), aligner=None), folder)
    return folder


Done = Mapping[Arm, Outcome]


def report(
    done: Done,
    shares: Mapping[int, Mapping[str, Sequence[float]]],
    seeds: Mapping[int, Seed],
    scale: Scale,
) -> Report:
    """What was found."""
    budgets, percent = scale.budgets, [f"{100 * budget:g}" for budget in scale.budgets]
    curves = {name: [scored(done, name, budget) for budget in budgets] for name in STRATEGIES}
    at = budgets.index(AT)

    def reaching(name: str) -> Interval:
        return resampled(
            [*curves[name], curves["random"][at]],
            lambda rates: seconds_share_to_reach(budgets, rates[:-1], target=rates[-1], at=AT),
        )

    def behind(ours: Scored, theirs: Scored) -> str:
        return _shown(resampled([ours, theirs], lambda rates: rates[0] - rates[1]))

    ours = reaching("earmark")
    spent = {way: np.mean([of[way] for of in shares.values()], axis=0) for way in next(iter(shares.values()))}
    figures: dict[str, Figure] = {
        "seconds_share_to_reach_random_at_8": ours.value,
        "interval": [ours.low, ours.high],
        "curves": {
            name: {share: _shown(error_rates(arm)) for share, arm in zip(percent, arms, strict=True)}
            for name, arms in curves.items()
        },
        "earmark_minus_random": {
            share: behind(*pair)
            for share, *pair in zip(percent, curves["earmark"], curves["random"], strict=True)
        },
        "garbage_share": float(spent["earmark"][at]),
        "garbage_share_by_budget": _by(percent, spent["earmark"]),
        "updates": max(one.steps for one in done.values()),
    }
    baseline: dict[str, Figure] = {
        "seconds_share_to_reach_random_at_8_of": {
            name: _shown(reaching(name)) for name in STRATEGIES if name not in ("random", "earmark")
        },
        "least_confidence_garbage_share": float(spent["least_confidence_alone"][at]),
        "least_confidence_garbage_share_by_budget": _by(percent, spent["least_confidence_alone"]),
        "garbage_share_behind_gate": {name: f"{spent[name][at]:.3f}" for name in STRATEGIES},
    }
    return Report("label_efficiency", figures, baseline, scale.seeds, _page(seeds, scale))


def _page(seeds: Mapping[int, Seed], scale: Scale) -> str:
    one = next(iter(seeds.values()))
    good = one.played.entries[: one.played.good]
    return PAGE.format(
        seeds=len(seeds),
        clips=len(good),
        new=sum(clip.dialect in ("scottish", "caribbean", "cantonese") for clip in good),
        noisy=sum(map(mixed_pool.is_in_noise, good)),
        test=len(one.sides["test"]),
        steps=scale.steps,
        batch=scale.batch,
        replayed=REPLAY_SHARE,
        unlabelled=REPLAYED,
        unreached=seconds_share_to_reach(scale.budgets, [1.0] * len(scale.budgets), target=0.0, at=AT),
    )


def scored(done: Done, strategy: str, budget: float) -> Scored:
    """The errors of one arm, by seed."""
    return {
        arm.seed: one.counts for arm, one in done.items() if (arm.strategy, arm.budget) == (strategy, budget)
    }


def _by(names: Sequence[str], values: Sequence[float]) -> dict[str, str]:
    return {name: f"{value:.3f}" for name, value in zip(names, values, strict=True)}


def _shown(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


if __name__ == "__main__":
    main()
