"""Counts that say when they are estimates."""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _


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


def estimate_of(rows: QuerySet[Any]) -> int:
    """How many `rows` the database's planner expects, without looking at any; one query."""
    sql, parameters = rows.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        plan = cursor.fetchone()[0]
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])
