"""Counts that cost little at any size, and say when they are estimates."""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

COUNTED_EXACTLY = 10_000
"""Sets that the planner expects to be smaller than this are counted; larger ones are estimated."""


@dataclass(frozen=True)
class Count:
    """How many there are, and whether that is the planner's estimate."""

    number: int
    is_estimate: bool = False

    def __str__(self) -> str:
        return (
            _("about %(n)s") % {"n": intcomma(self.number)}
            if self.is_estimate
            else str(intcomma(self.number))
        )


def count_of(rows: QuerySet[Any]) -> Count:
    """How many `rows` there are: at most COUNTED_EXACTLY of them are looked at. Two queries."""
    sql, parameters = rows.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        plan = cursor.fetchone()[0]
    expected = int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])
    if expected > COUNTED_EXACTLY:
        return Count(expected, is_estimate=True)
    counted = rows.order_by().values("pk")[: COUNTED_EXACTLY + 1].count()
    return Count(min(counted, COUNTED_EXACTLY), is_estimate=counted > COUNTED_EXACTLY)
