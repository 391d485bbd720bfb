"""Slips of annotators: where a submitted text may not be what is said, and what gives it away. Pure.

An annotator is there to differ from the recogniser, so a difference alone is no slip. Each place in which the text
differs from what the champion heard is put to the aligner: how badly does the text fit the audio as it stands, and how
badly with this place as the champion heard it (`earmark.speech.misfit`)? Where the champion was sure and its way fits
better, somebody should listen again. A text that fits badly as a whole where what was heard fits well is told as a
mismatch, one that was submitted faster than its clip can be heard as too fast. What is doubted how often rightly:
docs/benchmarks/label_quality.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp
from typing import Any

from django.utils.translation import gettext_lazy as _

from earmark.speech.aligned import Edit, Pair, align
from earmark.speech.engine import Word
from earmark.speech.text import units
from earmark.speech.word_doubts import WordDoubt

GAIN = 0.3
"""By how much the misfit has to fall with the champion's way of a place for the place to be doubted."""
SURE = 0.8
"""How probable the champion has to have taken what it heard there: one that does not know the dialect often is not."""
CLEARLY = 1.0
"""By how much worse than what was heard a text has to fit for it to be doubted as a whole."""
MOST_PLACES = 8
"""Beyond so many differences the text is another text: no place of it is told apart."""
FASTEST = 0.45
"""Of a clip's length: at double speed, and a little less, nobody has heard it to the end."""


class Kind(StrEnum):
    """What may have happened."""

    LEFT_OUT = "left_out"
    ADDED = "added"
    WRONG = "wrong"
    MISMATCH = "mismatch"
    TOO_FAST = "too_fast"


MESSAGES = {
    Kind.LEFT_OUT: _("you may have left out “%(text)s” at %(at).1f s"),
    Kind.ADDED: _("“%(text)s” at %(at).1f s may not be said"),
    Kind.WRONG: _("“%(text)s” at %(at).1f s may be another word"),
    Kind.MISMATCH: _("the text may not fit what is said at %(at).1f s"),
    Kind.TOO_FAST: _("sent in %(at).1f s: sooner than the clip can be heard"),
}


@dataclass(frozen=True)
class Slip:
    """One possible slip. `at`: seconds from the clip's start (of TOO_FAST: spent); `text`: the words it is about."""

    kind: Kind
    at: float
    text: str = ""

    def as_json(self) -> dict[str, Any]:
        """As `Annotation.slips` keeps it."""
        return {"kind": self.kind.value, "at": round(self.at, 2), "text": self.text}


def message(slip: dict[str, Any]) -> str:
    """What an annotator is told of a slip as `Slip.as_json` wrote it, in their language."""
    return str(MESSAGES[Kind(slip["kind"])]) % slip


@dataclass(frozen=True)
class HeardUnit:
    """A unit of what the champion heard: when, in seconds, and how probable it took it to be, 0 to 1."""

    unit: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Place:
    """A place in which a text differs from what was heard: `slip` if the text is wrong there, and the probability of
    what was heard instead. `undone`: the text with this place as it was heard."""

    slip: Slip
    probability: float
    undone: str


@dataclass(frozen=True)
class Fit:
    """How badly a text fits its clip, 0 at best, and where worst, in seconds."""

    misfit: float
    worst: float


def heard_units(doubts: Sequence[WordDoubt], words: Sequence[Word], language: str) -> list[HeardUnit] | None:
    """What was heard, unit by unit, of how sure the champion was and of its times; None where these do not match."""
    timed = [(unit, one.start, one.end) for one in words for unit in units(one.text, language)]
    told = [(unit, exp(one.logprob)) for one in doubts for unit in units(one.text, language)]
    if [unit for unit, _, _ in timed] != [unit for unit, _ in told]:
        return None
    return [HeardUnit(*one, sure) for one, (_, sure) in zip(timed, told, strict=True)]


def places(text: str, heard: Sequence[HeardUnit], language: str) -> list[Place]:
    """Where `text` differs from what was heard, in order; edits that touch are one place."""
    pairs = align(text, " ".join(one.unit for one in heard), language)
    found: list[Place] = []
    start = position = 0
    while start < len(pairs):
        if pairs[start].edit == Edit.SAME:
            start, position = start + 1, position + 1
            continue
        end = start
        while end < len(pairs) and pairs[end].edit != Edit.SAME:
            end += 1
        here = pairs[start:end]
        instead = [heard[position + n] for n in range(sum(bool(pair.heard) for pair in here))]
        found.append(_place(pairs, start, end, instead, heard[:position]))
        start, position = end, position + len(instead)
    return found


def _place(
    pairs: Sequence[Pair], start: int, end: int, instead: Sequence[HeardUnit], before: Sequence[HeardUnit]
) -> Place:
    here = pairs[start:end]
    written = [pair.reference for pair in here if pair.reference]
    kind = Kind.ADDED if not instead else Kind.WRONG if written else Kind.LEFT_OUT
    at = instead[0].start if instead else before[-1].end if before else 0.0
    about = written or [one.unit for one in instead]
    undone = [
        *(pair.reference for pair in pairs[:start] if pair.reference),
        *(one.unit for one in instead),
        *(pair.reference for pair in pairs[end:] if pair.reference),
    ]
    probability = min((one.probability for one in instead), default=0.0)
    return Place(Slip(kind, at, " ".join(about)), probability, " ".join(undone))


def doubted(
    text: str,
    heard: Sequence[HeardUnit],
    language: str,
    *,
    fits: Callable[[Sequence[str]], Sequence[Fit]] | None,
    threshold: float,
) -> list[Slip]:
    """The possible slips in the words of `text`.

    `fits` says how texts fit the clip's audio; None without an aligner: then all is doubted that the champion was SURE
    of. `threshold`: the misfit up to which a text is taken for what is said.
    """
    differing = places(text, heard, language)
    if not differing:
        return []
    if fits is None:
        return [one.slip for one in differing if one.probability >= SURE][:MOST_PLACES]
    asked = differing if len(differing) <= MOST_PLACES else []
    spelt, as_heard = " ".join(units(text, language)), " ".join(one.unit for one in heard)
    own, best, *undone = fits([spelt, as_heard, *(one.undone for one in asked)])
    found = [one.slip for one, fit in zip(asked, undone, strict=True) if _is_doubted(one, own, fit)]
    if not found and own.misfit > threshold >= best.misfit and own.misfit - best.misfit >= CLEARLY:
        return [Slip(Kind.MISMATCH, own.worst)]
    return found


def _is_doubted(place: Place, own: Fit, undone: Fit) -> bool:
    is_sure = place.slip.kind == Kind.ADDED or place.probability >= SURE
    return is_sure and own.misfit - undone.misfit >= GAIN


def too_fast(lead_seconds: float | None, clip_seconds: float) -> list[Slip]:
    """The slip of an answer sent before its clip can have been heard to the end."""
    if lead_seconds is None or lead_seconds >= FASTEST * clip_seconds:
        return []
    return [Slip(Kind.TOO_FAST, lead_seconds)]
