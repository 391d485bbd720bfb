"""Counts of clips, recordings and references that cost the same at any size.

Triggers append to the tallies what every statement changes (migration `0004_tallies_kept_by_triggers`); here they are
folded, made anew, and read by `totals`. A reading sees the tallies of the same moment as the rows themselves.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet, Sum

from earmark.corpus.tally_models import (
    ClipTally,
    MeasureTally,
    RecordingTally,
    ReferenceTally,
    SpeakerTally,
    Tally,
)
from earmark.speech.audio import SAMPLE_RATE

TALLIES: tuple[type[Tally], ...] = (ClipTally, SpeakerTally, MeasureTally, RecordingTally, ReferenceTally)
CONFIDENCE_BINS = 20
BINS: dict[str, tuple[float, ...]] = {
    "snr_db": (0, 5, 10, 15, 20, 30),
    "loudness_lufs": (-50, -40, -33, -27, -23, -18),
    "bandwidth_hz": (3_000, 3_800, 5_000, 6_500, 7_500),
    "seconds": (2, 5, 10, 15, 20, 25),
    "confidence": tuple(number / CONFIDENCE_BINS for number in range(1, CONFIDENCE_BINS)),
}
"""Where one bin of a measure ends and the next begins: bin 0 lies below the first. The triggers say the same."""
UNMEASURED = -1
FOLDING = 0x6561726D61726B01
"""The advisory lock whose holder folds."""


def seconds_of(samples: int | None) -> float:
    """What `samples` of a tally last."""
    return int(samples or 0) / SAMPLE_RATE


def totals(of: type[Tally], *keys: str, **where: object) -> list[tuple[Any, ...]]:
    """`(*keys, number, seconds)` of what `where` narrows `of` to, for each value of `keys`, in their order."""
    rows: QuerySet[Tally] = of._default_manager.filter(**where)
    summed = (
        rows.values_list(*keys)
        .annotate(total=Sum("number"), length=Sum("samples"))
        .filter(total__gt=0)
        .order_by(*keys)
    )
    return [(*values, int(number), seconds_of(samples)) for *values, number, samples in summed]


def total(of: type[Tally], *conditions: Q, **where: object) -> tuple[int, float]:
    """Number and seconds of what `conditions` and `where` narrow `of` to."""
    found = of._default_manager.filter(*conditions, **where).aggregate(
        number=Sum("number", default=0), samples=Sum("samples", default=0)
    )
    return int(found["number"]), seconds_of(found["samples"])


def fold() -> int:
    """Make one row of every key's rows; returns how many rows that saved.

    Nobody waits for it and it waits for nobody: it takes away only rows that it sums, in one statement. When
    another process folds at the same time, nothing happens.
    """
    saved = 0
    for model in Tally.__subclasses__():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FOLDING])
            if not cursor.fetchone()[0]:
                return saved
            cursor.execute(_fold_sql(model))
            taken, made = cursor.fetchone()
            saved += taken - made
    return saved


def _fold_sql(model: type[Tally]) -> str:
    table, keys = model._meta.db_table, _columns(model)
    same = " AND ".join(f"{table}.{key} IS NOT DISTINCT FROM several.{key}" for key in keys)
    listed = ", ".join(keys)
    return f"""
        WITH several AS (
            SELECT {listed} FROM {table} GROUP BY {listed}
            HAVING count(*) > 1 OR (sum(number) = 0 AND sum(samples) = 0)
        ), taken AS (
            DELETE FROM {table} USING several WHERE {same}
            RETURNING {", ".join(f"{table}.{one}" for one in (*keys, "number", "samples"))}
        ), made AS (
            INSERT INTO {table} ({listed}, number, samples)
            SELECT {listed}, sum(number), sum(samples) FROM taken GROUP BY {listed}
            HAVING sum(number) <> 0 OR sum(samples) <> 0
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM made)"""


def recount() -> None:
    """Make every tally anew from what it counts, while others write: each in one statement, so of one moment."""
    with connection.cursor() as cursor:
        for function in dict.fromkeys(model.MADE_ANEW_BY for model in Tally.__subclasses__()):
            cursor.execute(f"SELECT {function}()")


def _columns(model: type[Tally]) -> Sequence[str]:
    columns = {field.name: str(field.column) for field in model._meta.concrete_fields}
    return [columns[key] for key in model.KEYS]
