"""What the page about the quality of labels shows of the newest report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from annotation.people_quality import PersonQuality
from annotation.review_models import QualityReport
from annotation.slips import Kind
from earmark.web.naming import QUALITIES

SHOWN_PAIRS = 8
SHOWN_PEOPLE = 16
SHOWN_ROUNDS = 12
HIGH_ERROR = 0.1
"""The shade of the matrix is fullest here."""


@dataclass(frozen=True)
class Cell:
    """Two people in the matrix: how far they differ, and a shade of 0 to 4; nothing of who share no clip."""

    rate: float | None = None
    clips: int = 0
    shade: int = 0


def scale(people: Sequence[PersonQuality]) -> float:
    """Where the scale of error rates ends."""
    return max((one.measured["high"] for one in people if one.measured), default=0.0)


def matrix(report: QualityReport | None) -> list[tuple[str, list[Cell | None]]]:
    """Everyone against everyone: a row a person, None where a person meets themselves. The busiest SHOWN_PEOPLE."""
    pairs = report.figures["pairs"] if report else []
    clips: dict[str, int] = {}
    for one in pairs:
        for person in (one["first"], one["second"]):
            clips[person] = clips.get(person, 0) + one["clips"]
    people = sorted(sorted(clips, key=lambda person: -clips[person])[:SHOWN_PEOPLE])
    found = {frozenset((one["first"], one["second"])): _cell(one) for one in pairs}
    cells = {row: [found.get(frozenset((row, column)), Cell()) for column in people] for row in people}
    return [
        (row, [None if row == column else cell for column, cell in zip(people, cells[row], strict=True)])
        for row in people
    ]


def _cell(pair: Mapping[str, Any]) -> Cell:
    return Cell(pair["rate"], pair["clips"], min(4, int(4 * pair["rate"] / HIGH_ERROR + 0.5)))


def unlike_pairs(report: QualityReport | None) -> list[Mapping[str, Any]]:
    """The pairs that differ most, where this is no chance: ordered by the lower end of their interval."""
    pairs = report.figures["pairs"] if report else []
    found: list[Mapping[str, Any]] = sorted(pairs, key=lambda one: -one["low"])
    return [one for one in found if one["low"] > 0][:SHOWN_PAIRS]


def alphas(report: QualityReport | None) -> list[tuple[str, float | None]]:
    """Alpha of all choices together, and of each by its name."""
    if report is None:
        return []
    each = [(str(QUALITIES.get(code, code)), alpha) for code, alpha in report.figures["alphas"].items()]
    return [(_("all together"), report.figures["alpha"]), *each]


def named_slips(slips: Mapping[str, int]) -> list[tuple[str, int]]:
    """Kinds of possible slips in people's words."""
    names = {
        Kind.LEFT_OUT: _("a word may be left out"),
        Kind.ADDED: _("a word may not be said"),
        Kind.WRONG: _("a word may be another"),
        Kind.MISMATCH: _("the text may not fit"),
        Kind.TOO_FAST: _("sent sooner than heard"),
    }
    return [(names[Kind(kind)], number) for kind, number in slips.items()]


def harmless(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
