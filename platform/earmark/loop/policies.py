"""Writes: what an admin switches on and off."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.acquisition import find_strategy
from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.loop.models import Policy
from earmark.loop.turning import UNHELD
from earmark.speech.errors import EarmarkError
from training_jobs.recipe.presets import preset
from training_jobs.recipe.recipes import with_overrides

SWITCHES = ("train", "promote", "transcribe", "open_rounds", "stop")


@dataclass(frozen=True)
class Range:
    """What a number of the policy may be."""

    least: float
    most: float
    is_whole: bool = False


RANGES: Mapping[str, Range] = {
    "train_minutes": Range(0.1, 100_000),
    "round_minutes": Range(0.1, 43_200),
    "monthly_minutes": Range(0, 1_000_000),
    "audit_share": Range(0, 1),
    "stop_gain": Range(0, 100),
    "stop_rounds": Range(1, 50, is_whole=True),
}
TEXTS = ("recipe", "strategy")
SETTINGS = (*SWITCHES, *RANGES, *TEXTS, "overrides")
"""Everything that can be set, by its name."""


def policy_of(collection: Collection) -> Policy:
    """The policy of `collection`; a new one, with everything off and not saved yet, where it has none."""
    return Policy.objects.filter(collection=collection).first() or Policy(collection=collection)


def settings_of(policy: Policy) -> dict[str, Any]:
    """Its settings as plain values."""
    return {name: getattr(policy, name) for name in SETTINGS}


def set_policy(*, collection: Collection, changes: Mapping[str, Any], by: User | None) -> Policy:
    """Change the named settings; what failed is tried again at once.

    Raises EarmarkError `loop:policy:unknown`, `:type`, `:range`, and those of recipes and strategies; then nothing is
    changed.
    """
    checked = {name: _checked(name, value) for name, value in changes.items()}
    with transaction.atomic():
        Policy.objects.get_or_create(collection=collection)
        policy = (
            Policy.objects.select_for_update(of=("self",))
            .select_related("collection")
            .get(collection=collection)
        )
        before = settings_of(policy)
        for name, value in (checked | UNHELD).items():
            setattr(policy, name, value)
        with_overrides(preset(policy.recipe), policy.overrides)
        find_strategy(policy.strategy, settings.ACQUISITION_STRATEGIES)
        if policy.open_rounds and policy.round_minutes > policy.monthly_minutes:
            raise _refused(
                "range",
                _("A round of {round} min does not fit into {month} min a month.").format(
                    round=f"{policy.round_minutes:g}", month=f"{policy.monthly_minutes:g}"
                ),
                _("Make rounds smaller, or the budget of a month larger."),
            )
        policy.changed_by = by
        policy.save()
        now = settings_of(policy)
        changed = {name: [before[name], now[name]] for name in SETTINGS if before[name] != now[name]}
        if changed:
            audit(by, "change policy", collection.scope, policy=policy.pk, changed=changed)
    return policy


def _checked(name: str, value: Any) -> Any:
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise _wrong_type(name, value, _("true or false"))
        return value
    if name in RANGES:
        return _number(name, value, RANGES[name])
    if name in TEXTS:
        if not isinstance(value, str):
            raise _wrong_type(name, value, _("a text"))
        return value
    if name == "overrides":
        if not isinstance(value, dict):
            raise _wrong_type(name, value, _("a table"))
        return value
    raise _refused(
        "unknown",
        _("A policy has no setting {name}.").format(name=repr(name)),
        _("Known settings: {names}.").format(names=", ".join(SETTINGS)),
    )


def _number(name: str, value: Any, allowed: Range) -> float | int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (allowed.is_whole and value != int(value))
    ):
        raise _wrong_type(name, value, _("a whole number") if allowed.is_whole else _("a number"))
    if not allowed.least <= value <= allowed.most:
        raise _refused(
            "range",
            _("{name} is {value}.").format(name=name, value=repr(value)),
            _("Give {least} to {most}.").format(least=f"{allowed.least:g}", most=f"{allowed.most:g}"),
        )
    return int(value) if allowed.is_whole else float(value)


def _wrong_type(name: str, value: Any, wanted: str) -> EarmarkError:
    return _refused(
        "type",
        _("{name} is {value}.").format(name=name, value=repr(value)),
        _("It has to be {wanted}.").format(wanted=wanted),
    )


def _refused(ending: str, message: str, hint: str) -> EarmarkError:
    ids = {"unknown": "loop:policy:unknown", "type": "loop:policy:type", "range": "loop:policy:range"}
    return EarmarkError(ids[ending], message, hint)
