"""Writes: how a collection is labelled, as its managers set it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.review_models import LabellingPlan
from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.speech.errors import EarmarkError

LONGEST_GLOSSARY = 20_000
MOST_TERMS = 200
"""Terms are shown to annotators beside every clip."""


@dataclass(frozen=True)
class Range:
    """What a number of the plan may be; `may_be_empty`: it need not be known."""

    least: float
    most: float
    may_be_empty: bool = False


RANGES: Mapping[str, Range] = {
    "known_share": Range(0, 0.5),
    "control_share": Range(0, 0.5),
    "review_share": Range(0, 1),
    "review_above": Range(0, 1, may_be_empty=True),
    "idle_seconds": Range(1, 3600),
    "hourly_cost": Range(0, 100_000, may_be_empty=True),
}
SETTINGS = ("glossary", *RANGES, "currency")
"""Everything that can be set, by its name."""


def plan_of(collection: Collection) -> LabellingPlan:
    """The plan of `collection`; one of the defaults, not saved yet, where it has none."""
    return LabellingPlan.objects.filter(collection=collection).first() or LabellingPlan(collection=collection)


def settings_of(plan: LabellingPlan) -> dict[str, Any]:
    """Its settings as plain values."""
    return {name: getattr(plan, name) for name in SETTINGS}


def set_plan(*, collection: Collection, changes: Mapping[str, Any], by: User | None) -> LabellingPlan:
    """Change the named settings. Shares hold for rounds opened from now on, the glossary for projects made from now on.

    Raises EarmarkError `annotation:plan:unknown`, `:type`, `:range`; then nothing is changed.
    """
    checked = {name: _checked(name, value) for name, value in changes.items()}
    with transaction.atomic():
        LabellingPlan.objects.get_or_create(collection=collection)
        plan = LabellingPlan.objects.select_for_update().get(collection=collection)
        before = settings_of(plan)
        for name, value in checked.items():
            setattr(plan, name, value)
        plan.save()
        changed = {
            name: [before[name], value] for name, value in settings_of(plan).items() if before[name] != value
        }
        if changed:
            audit(by, "change labelling plan", collection.scope, changed=changed)
    return plan


def _checked(name: str, value: Any) -> Any:
    if name in RANGES:
        return _number(name, value, RANGES[name])
    if name not in SETTINGS:
        raise EarmarkError(
            "annotation:plan:unknown",
            _("A labelling plan has no setting %(name)s.") % {"name": repr(name)},
            _("Known settings: %(names)s.") % {"names": ", ".join(SETTINGS)},
        )
    if not isinstance(value, str):
        raise _wrong_type(name, value, _("a text"))
    return _glossary(value) if name == "glossary" else _currency(value)


def _number(name: str, value: Any, allowed: Range) -> float | None:
    if value is None and allowed.may_be_empty:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong_type(name, value, _("a number"))
    if not allowed.least <= value <= allowed.most:
        raise _out_of_range(
            name,
            value,
            _("%(least)s to %(most)s") % {"least": f"{allowed.least:g}", "most": f"{allowed.most:g}"},
        )
    return float(value)


def _glossary(value: str) -> str:
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    if len(value) > LONGEST_GLOSSARY or len(lines) > MOST_TERMS:
        told = _("at most %(lines)s lines and %(signs)s characters")
        raise _out_of_range(
            "glossary", f"{len(lines)} lines", told % {"lines": MOST_TERMS, "signs": LONGEST_GLOSSARY}
        )
    return "\n".join(dict.fromkeys(lines))


def _currency(value: str) -> str:
    code = value.strip().upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise _out_of_range("currency", value, _("three letters, such as EUR or CNY"))
    return code


def _wrong_type(name: str, value: Any, wanted: str) -> EarmarkError:
    return EarmarkError(
        "annotation:plan:type",
        _("%(name)s is %(value)s.") % {"name": name, "value": repr(value)[:80]},
        _("It has to be %(wanted)s.") % {"wanted": wanted},
    )


def _out_of_range(name: str, value: Any, wanted: str) -> EarmarkError:
    return EarmarkError(
        "annotation:plan:range",
        _("%(name)s is %(value)s.") % {"name": name, "value": repr(value)[:80]},
        _("Give %(wanted)s.") % {"wanted": wanted},
    )
