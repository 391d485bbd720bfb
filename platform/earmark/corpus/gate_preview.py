"""What a quality gate would do to a collection, before it is asked to: exact for few clips, estimated for many."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from django.db import connection

from earmark.corpus.gate import SETTLED, Gate
from earmark.corpus.models import Clip, Collection, Unfit
from earmark.corpus.tallies import total
from earmark.corpus.tally_models import ClipTally
from earmark.speech.quality import Quality

MOST_LOOKED_AT = 20_000
BINS = 48
MEASURES = tuple(field.name for field in fields(Quality))
CLIP = Clip._meta.db_table
CROWDED = 4
"""How many times the collection's clips the table may hold for whole pages of it to be drawn."""
_PAGES = f"{CLIP} TABLESAMPLE SYSTEM (%(percent)s) REPEATABLE (%(seed)s)"
_DRAWN = f"""
    (SELECT id FROM {CLIP} WHERE collection_id = %(collection)s
        AND hashint8extended(id, %(seed)s) %% %(each)s = 0) AS drawn JOIN {CLIP} USING (id)"""


@dataclass(frozen=True)
class Measures:
    """Current clips of a collection, all of them or a sample.

    `clips`: how many there are. `figures`: float64 [n] of each measure, NaN where there is none. `reasons`: [n], why
    each is unfit now. `is_open`: bool [n], whether thresholds decide about it and no person did.
    """

    clips: int
    figures: Mapping[str, np.ndarray]
    reasons: np.ndarray
    is_open: np.ndarray

    @property
    def looked_at(self) -> int:
        return len(self.reasons)

    @property
    def is_sample(self) -> bool:
        return self.clips > MOST_LOOKED_AT


@dataclass(frozen=True)
class Preview:
    """What a gate would do, in clips of the whole collection: estimates where `is_sample`.

    `missing`: how many miss each threshold, whatever the others say. `reasons`: how many it would set aside, by the
    first threshold they miss. `now`: how many thresholds set aside now; `out` of those that are fit would be set aside,
    `back` of those that are not would count as fit. `kept`: clips that no threshold decides about.
    """

    clips: int
    looked_at: int
    is_sample: bool
    missing: dict[str, int]
    reasons: dict[str, int]
    now: int
    out: int
    back: int
    kept: int

    @property
    def set_aside(self) -> int:
        """How many the gate would set aside."""
        return sum(self.reasons.values())


def measures_of(collection: Collection, *, seed: int = 1) -> Measures:
    """The measures of the collection's current clips; where it has more, of about MOST_LOOKED_AT drawn by `seed`.

    The draw takes whole pages of the table where most of them are the collection's, so that a million clips cost what
    twenty thousand do, and else goes by the ids in an index, so that other collections cost nothing.
    """
    clips, _seconds = total(ClipTally, collection=collection, is_current=True)
    source = CLIP
    if clips > MOST_LOOKED_AT:
        everywhere, _seconds = total(ClipTally, is_current=True)
        source = _PAGES if everywhere <= CROWDED * clips else _DRAWN
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(MEASURES)}, unfit, is_fit FROM {source}"
            " WHERE collection_id = %(collection)s AND is_current",
            {
                "collection": collection.pk,
                "seed": seed,
                "percent": 100 * MOST_LOOKED_AT / max(clips, MOST_LOOKED_AT),
                "each": -(-clips // MOST_LOOKED_AT),
            },
        )
        rows = cursor.fetchall()
    *figures, unfit, is_fit = zip(*rows, strict=True) if rows else [()] * (len(MEASURES) + 2)
    reasons = np.array(unfit, dtype=object)
    agrees = np.array([bool(fit) != bool(reason) for fit, reason in zip(is_fit, unfit, strict=True)], bool)
    found = {name: np.array(column, dtype=float) for name, column in zip(MEASURES, figures, strict=True)}
    is_measured = ~np.isnan(found["speech_seconds"])
    return Measures(
        clips=clips,
        figures=found,
        reasons=reasons,
        is_open=agrees & is_measured & ~np.isin(unfit, [reason.value for reason in SETTLED]),
    )


def preview(of: Measures, gate: Gate) -> Preview:
    """What `gate` would do to the clips that `of` was taken from."""
    scale = of.clips / of.looked_at if of.is_sample and of.looked_at else 1.0
    held = np.array([bool(reason) for reason in of.reasons], bool) & of.is_open
    verdicts = _verdicts(of, gate)
    misses = np.array([bool(verdict) for verdict in verdicts], bool)

    def estimated(number: int | np.integer) -> int:
        return round(scale * int(number))

    found = Counter(verdict for verdict in verdicts if verdict)
    return Preview(
        clips=of.clips,
        looked_at=of.looked_at,
        is_sample=of.is_sample,
        missing={
            field.name: estimated((missed(of, field.name, getattr(gate, field.name)) & of.is_open).sum())
            for field in fields(Gate)
        },
        reasons={reason.value: estimated(found[reason.value]) for reason in Unfit if found[reason.value]},
        now=estimated(held.sum()),
        out=estimated((misses & ~held).sum()),
        back=estimated((held & ~misses).sum()),
        kept=estimated((~of.is_open).sum()),
    )


def missed(of: Measures, threshold: str, limit: float) -> np.ndarray:
    """bool [n]: which clips miss the threshold of that name; one without the measure misses none."""
    bound, _, measure = threshold.partition("_")
    values = of.figures[measure]
    with np.errstate(invalid="ignore"):
        return np.asarray(values < limit if bound == "least" else values > limit)


def histogram(of: Measures, measure: str, low: float, high: float) -> list[float]:
    """How the clips are spread from `low` to `high`: BINS shares of the fullest bin; the ends hold what lies beyond."""
    values = of.figures[measure]
    counts, _edges = np.histogram(np.clip(values[~np.isnan(values)], low, high), bins=BINS, range=(low, high))
    return [float(count) / max(1, int(counts.max())) for count in counts]


def _verdicts(of: Measures, gate: Gate) -> list[str]:
    """The gate's verdict of each clip that is open; empty for the others."""
    columns = [of.figures[name].tolist() for name in MEASURES]
    verdicts = []
    for is_open, *row in zip(of.is_open, *columns, strict=True):
        told = dict(zip(MEASURES, row, strict=True))
        if told["snr_db"] != told["snr_db"]:
            told["snr_db"] = None
        verdicts.append(gate.verdict(Quality(**told)) if is_open else "")
    return verdicts
