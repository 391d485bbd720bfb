"""What several people's texts of one clip amount to. Pure.

Texts that are the same once normalised are one text. Others are put side by side unit by unit and every place is voted
on, as ROVER does with the outputs of recognisers (Fiscus 1997, "A post-processing system to yield reduced word error
rates"); the words of a language with spaces, the characters of Chinese. Where a place finds no majority of at least two
people, there is no consensus, and somebody has to listen.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum

from rapidfuzz.distance import Levenshtein

from earmark.speech.text import normalise, units

NOTHING = ""
"""What stands in a place for somebody who wrote nothing there."""
Column = tuple[str, ...]
"""One place of an alignment: what each person wrote there, in the order of their texts."""

_GAP = 1.0
_LEAST_SUBSTITUTION = 0.6
"""What it costs to put unlike units in one place: the less, the more letters they share."""


@dataclass(frozen=True)
class Slot:
    """One place of a consensus: what it says, NOTHING for nothing, and the share of the votes for it, 0.5 to 1."""

    unit: str
    agreement: float


@dataclass(frozen=True)
class Consensus:
    """A text several people amount to. `is_exact`: all wrote the same, but for case, width, punctuation, spacing."""

    text: str
    slots: tuple[Slot, ...]
    is_exact: bool

    @property
    def agreement(self) -> float:
        """The mean share of the votes over all places; 1 for an empty text."""
        return sum(slot.agreement for slot in self.slots) / len(self.slots) if self.slots else 1.0

    @property
    def weakest(self) -> float:
        """The share of the votes in the place least agreed on."""
        return min((slot.agreement for slot in self.slots), default=1.0)


def agreed(
    texts: Sequence[str], language: str, *, weights: Sequence[float] | None = None
) -> Consensus | None:
    """The consensus of `texts` of one clip, one a person; None where they are too unlike for one.

    `weights` > 0, one a text, say how much a person's vote counts: `reliability.vote` of their error rate; all the
    same when None. The order of the texts does not matter. Raises ValueError without texts.
    """
    if not texts:
        raise ValueError("no texts to agree")
    votes = [1.0] * len(texts) if weights is None else list(weights)
    said = [tuple(units(text, language)) for text in texts]
    if len(set(said)) == 1:
        slots = tuple(Slot(unit, 1.0) for unit in said[0])
        return Consensus(_as_most_write(texts, votes), slots, is_exact=True)
    winners = [_vote(column, votes) for column in aligned(texts, language)]
    slots = tuple(slot for slot in winners if slot)
    if len(slots) < len(winners):
        return None
    return Consensus(_written(slots, texts, said, votes, language), slots, is_exact=False)


def forced(texts: Sequence[str], language: str, *, weights: Sequence[float] | None = None) -> str:
    """What most votes say in every place, a majority or not: the text to start an adjudication from."""
    votes = [1.0] * len(texts) if weights is None else list(weights)
    said = [tuple(units(text, language)) for text in texts]
    slots = tuple(_leading(column, votes)[0] for column in aligned(texts, language))
    return _written(slots, texts, said, votes, language)


def _vote(column: Column, votes: Sequence[float]) -> Slot | None:
    """What a place says by more than half of the votes of at least two people."""
    slot, people = _leading(column, votes)
    return slot if people >= 2 and slot.agreement > 0.5 else None


def _leading(column: Column, votes: Sequence[float]) -> tuple[Slot, int]:
    """What has most of the votes in a place, and how many people say so; of equals, what more say."""
    given: dict[str, list[float]] = defaultdict(list)
    for unit, vote in zip(column, votes, strict=True):
        given[unit].append(vote)
    unit = max(given, key=lambda one: (fsum(given[one]), len(given[one]), one))
    return Slot(unit, fsum(given[unit]) / fsum(votes)), len(given[unit])


def _written(
    slots: Sequence[Slot],
    texts: Sequence[str],
    said: Sequence[tuple[str, ...]],
    votes: Sequence[float],
    language: str,
) -> str:
    """The text of the slots, written as people wrote it where somebody wrote just that."""
    voted = tuple(slot.unit for slot in slots if slot.unit)
    same = [place for place, one in enumerate(said) if one == voted]
    if same:
        return _as_most_write([texts[place] for place in same], [votes[place] for place in same])
    return normalise(" ".join(voted), language)


def _as_most_write(texts: Sequence[str], votes: Sequence[float]) -> str:
    """The text with most votes as it is written; of equals, the one that sorts first."""
    given: dict[str, list[float]] = defaultdict(list)
    for text, vote in zip(texts, votes, strict=True):
        given[text.strip()].append(vote)
    return min(given, key=lambda text: (-fsum(given[text]), text))


def aligned(texts: Sequence[str], language: str) -> list[Column]:
    """The units of all texts side by side, in columns that do not depend on the order of the texts.

    Progressive alignment by the sum of pairs, the text most like the others first; then each text is taken out and put
    beside the others anew, which mends what was placed before the others were known.
    """
    said = [tuple(units(text, language)) for text in texts]
    order = sorted(range(len(said)), key=lambda one: (_unlikeness(said, one), said[one]))
    columns: list[list[str]] = [[unit] for unit in said[order[0]]]
    for rows, one in enumerate(order[1:], start=1):
        columns = _joined(columns, rows, said[one])
    if len(order) > 2:
        for one in order:
            # the row taken out comes back as the last: after all of them the rows stand as before
            others = [column[1:] for column in columns if any(column[1:])]
            columns = _joined(others, len(order) - 1, said[one])
    places = [order.index(one) for one in range(len(said))]
    return [tuple(column[place] for place in places) for column in columns]


def _unlikeness(said: Sequence[tuple[str, ...]], one: int) -> int:
    return sum(Levenshtein.distance(said[one], other) for other in said)


def _joined(columns: list[list[str]], rows: int, added: Sequence[str]) -> list[list[str]]:
    """`columns` of `rows` texts with one more text put beside them at the least cost."""
    skips = [sum(unit != NOTHING for unit in column) / rows * _GAP for column in columns]
    cost = [[0.0] * (len(added) + 1) for _ in range(len(columns) + 1)]
    for place in range(len(columns)):
        cost[place + 1][0] = cost[place][0] + skips[place]
    for place in range(len(added)):
        cost[0][place + 1] = cost[0][place] + _GAP
    for down, column in enumerate(columns):
        above, row = cost[down], cost[down + 1]
        for right, unit in enumerate(added):
            met = above[right] + _meeting(column, unit, rows)
            row[right + 1] = min(met, above[right + 1] + skips[down], row[right] + _GAP)
    return _traced(columns, rows, added, cost, skips)


def _traced(
    columns: list[list[str]],
    rows: int,
    added: Sequence[str],
    cost: list[list[float]],
    skips: list[float],
) -> list[list[str]]:
    """The cheapest way through `cost`, as columns with one more row."""
    down, right = len(columns), len(added)
    found: list[list[str]] = []
    while down or right:
        here = cost[down][right]
        if down and right:
            met = cost[down - 1][right - 1] + _meeting(columns[down - 1], added[right - 1], rows)
            if here >= met - 1e-9:
                down, right = down - 1, right - 1
                found.append([*columns[down], added[right]])
                continue
        if down and here >= cost[down - 1][right] + skips[down - 1] - 1e-9:
            down -= 1
            found.append([*columns[down], NOTHING])
        else:
            right -= 1
            found.append([*[NOTHING] * rows, added[right]])
    return found[::-1]


def _meeting(column: Sequence[str], unit: str, rows: int) -> float:
    """What it costs, 0 to 1, to put `unit` into a column: the mean over what stands there."""
    return sum(_unlike(one, unit) for one in column) / rows


@lru_cache(maxsize=100_000)
def _unlike(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if NOTHING in (one, other):
        return _GAP
    return _LEAST_SUBSTITUTION + (1 - _LEAST_SUBSTITUTION) * Levenshtein.normalized_distance(one, other)
