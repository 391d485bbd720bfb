"""How far people agree who labelled the same clips, without anybody knowing the truth. Pure.

Texts are compared by their error rate, which for two people is symmetric: edits between the two texts over the mean of
their lengths. Choices are compared by Krippendorff's alpha, which takes what chance would bring off the agreement, and
takes any number of people, of whom any may be missing.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from earmark.speech.resampling import resampled_sums
from earmark.speech.scoring import count_errors
from earmark.speech.text import units


@dataclass(frozen=True)
class Overlapped:
    """One clip that several people labelled: what each wrote, by person."""

    clip: int
    language: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class PairAgreement:
    """How two people's texts differ over the `clips` both labelled.

    `edits` turn one person's units into the other's; `units` is the mean of both lengths, summed over clips. `low` and
    `high` hold the rate in 95 of 100 resamples of the clips.
    """

    first: str
    second: str
    clips: int
    edits: int
    units: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Edits per unit: 0 where both always write the same."""
        return self.edits / max(1.0, self.units)


def pairwise(clips: Iterable[Overlapped], *, seed: int, resamples: int = 200) -> list[PairAgreement]:
    """The agreement of every two people who share clips, ordered by their names."""
    counts: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for one in clips:
        lengths = {person: len(units(text, one.language)) for person, text in one.texts.items()}
        for first, second in combinations(sorted(one.texts), 2):
            edits = count_errors(one.texts[first], one.texts[second], one.language).errors
            counts[first, second].append((edits, lengths[first] + lengths[second]))
    return [_pair(*pair, told, seed, resamples) for pair, told in sorted(counts.items())]


def _pair(
    first: str, second: str, told: Sequence[tuple[int, int]], seed: int, resamples: int
) -> PairAgreement:
    edits, lengths = np.array(told).T
    sums = resampled_sums([edits, lengths], resamples=resamples, seed=seed)
    rates = 2 * sums[:, 0] / np.maximum(1, sums[:, 1])
    low, high = np.quantile(rates, [0.025, 0.975])
    return PairAgreement(
        first, second, len(told), int(edits.sum()), float(lengths.sum()) / 2, float(low), float(high)
    )


def agreement_of(person: str, pairs: Iterable[PairAgreement]) -> float | None:
    """How far one person agrees with all others: 1 minus the pooled rate of their pairs; None without any."""
    own = [pair for pair in pairs if person in (pair.first, pair.second)]
    if not own:
        return None
    return 1.0 - sum(pair.edits for pair in own) / max(1.0, sum(pair.units for pair in own))


def nominal_alpha(answers: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha of nominal values: 1 for perfect agreement, 0 for what chance brings, below for worse.

    `answers`: for each thing judged the values that those who judged it gave, in any order; who gave none is left out.
    With coincidences o_ck = sum over things of the ordered pairs (c, k) in it / (m - 1), m the number of its values,
    n_c = sum_k o_ck and n = sum_c n_c, alpha = 1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k (Krippendorff,
    "Computing Krippendorff's Alpha-Reliability", 2011, section C). None where fewer than two values can be paired, or
    where all are the same: nothing varies that could be agreed on.
    """
    differing, sizes = 0.0, Counter[Hashable]()
    for values in answers:
        if len(values) < 2:
            continue
        held = Counter(values)
        same = sum(count * (count - 1) for count in held.values())
        differing += (len(values) * (len(values) - 1) - same) / (len(values) - 1)
        sizes.update(held)
    total = sizes.total()
    expected = total**2 - sum(count**2 for count in sizes.values())
    return 1.0 - (total - 1) * differing / expected if expected else None


def choice_alphas(
    answers: Sequence[Sequence[frozenset[str]]], choices: Iterable[str]
) -> dict[str, float | None]:
    """Alpha of each of `choices`, ticked or not, over what people ticked on each clip."""
    return {
        choice: nominal_alpha([[choice in one for one in clip] for clip in answers]) for choice in choices
    }
