"""What was heard instead of what: two texts unit by unit, and which mistakes come again."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import jiwer

from earmark.speech.text import PLAIN, Normalisation, units


class Edit(StrEnum):
    """What became of one unit."""

    SAME = "same"
    SUBSTITUTED = "substituted"
    INSERTED = "inserted"
    DELETED = "deleted"


@dataclass(frozen=True)
class Pair:
    """One unit of the reference beside what was heard; the side that has none is empty."""

    edit: Edit
    reference: str
    heard: str


@dataclass(frozen=True)
class Confusion:
    """How often `heard` came instead of `reference`: an empty `heard` was dropped, an empty `reference` made up."""

    reference: str
    heard: str
    times: int


def align(reference: str, hypothesis: str, language: str, options: Normalisation = PLAIN) -> tuple[Pair, ...]:
    """Both texts side by side with the fewest edits, in the units of `language`."""
    expected, heard = units(reference, language, options), units(hypothesis, language, options)
    if not expected or not heard:
        dropped = (Pair(Edit.DELETED, unit, "") for unit in expected)
        return (*dropped, *(Pair(Edit.INSERTED, "", unit) for unit in heard))
    # jiwer splits on spaces: our units hold none, so joining them with a space keeps them whole
    found = jiwer.process_words(" ".join(expected), " ".join(heard)).alignments[0]
    return tuple(pair for chunk in found for pair in _pairs(chunk, expected, heard))


def confusions(pairs: Iterable[Pair], *, most: int) -> list[Confusion]:
    """The `most` frequent edits, the most frequent first, those equally frequent by their text."""
    counted = Counter((pair.reference, pair.heard) for pair in pairs if pair.edit != Edit.SAME)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [Confusion(reference, heard, times) for (reference, heard), times in ranked]


def _pairs(chunk: jiwer.AlignmentChunk, expected: list[str], heard: list[str]) -> Iterable[Pair]:
    before = expected[chunk.ref_start_idx : chunk.ref_end_idx]
    after = heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
    match chunk.type:
        case "equal":
            return [Pair(Edit.SAME, *both) for both in zip(before, after, strict=True)]
        case "substitute":
            return [Pair(Edit.SUBSTITUTED, *both) for both in zip(before, after, strict=True)]
        case "delete":
            return [Pair(Edit.DELETED, unit, "") for unit in before]
        case _:
            return [Pair(Edit.INSERTED, "", unit) for unit in after]
