"""What a verdict says, in a sentence or two."""

from typing import Any

from django.utils.translation import gettext as _

from earmark.loop.models import Promotion
from training_jobs.comparison_table import KINDS, change_of, percent, points, slice_label

NAMED = 3
"""At most so many slices are named in a sentence."""


def said(row: Promotion) -> str:
    """Why the model is, or is not, champion."""
    if row.outcome == Promotion.Outcome.REASON:
        return row.reason
    if row.outcome == Promotion.Outcome.ROLLED_BACK:
        return row.reason or _("%(model)s has its place back.") % {"model": row.model.name}
    return sentence(row.verdict)


def sentence(verdict: dict[str, Any]) -> str:
    """The verdict in words; `verdict` as `Verdict.as_json` gives it."""
    rates = {
        "after": percent(verdict["after"]),
        "before": percent(verdict["before"]),
        "change": change_of({"value": verdict["change"], "low": verdict["low"], "high": verdict["high"]}),
    }
    if verdict["low"] > 0:
        return _("Error rate %(after)s, was %(before)s: worse, %(change)s.") % rates
    if not verdict["is_better"]:
        return _("Error rate %(after)s, was %(before)s: %(change)s, which may be chance.") % rates
    worse = [one for one in verdict["slices"] if one["is_worse"]]
    if not worse:
        return _("Error rate %(after)s, was %(before)s: better, %(change)s.") % rates
    named = ", ".join(_slice(one) for one in worse[:NAMED])
    return _("Error rate %(after)s, was %(before)s, but worse where it must not be: %(slices)s.") % {
        **rates,
        "slices": named,
    }


def _slice(one: dict[str, Any]) -> str:
    return _("%(slice)s (%(kind)s) by %(points)s points") % {
        "slice": slice_label(one["kind"], one["name"]),
        "kind": KINDS[one["kind"]],
        "points": points(one["change"]).lstrip("+"),
    }
