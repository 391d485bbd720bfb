"""The loop by itself as an admin fills it in. What a value means is judged by the floors below."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from earmark.loop.models import Policy
from earmark.loop.policies import RANGES, SWITCHES, settings_of
from earmark.web import naming
from earmark.web.forms import PlainForm
from earmark.web.naming import name_of
from training_jobs.recipe.presets import PRESETS

PERCENT = 100
NUMBERS: Mapping[str, tuple[Any, Any, Any]] = {
    "train_minutes": (_("Minutes newly labelled"), _("min"), ""),
    "round_minutes": (_("Minutes of a round"), _("min"), _("What people listen to in one round.")),
    "monthly_minutes": (
        _("Most in a month"),
        _("min"),
        _("All rounds of a calendar month (UTC) count, also those that people opened."),
    ),
    "stop_gain": (
        _("Least gain of an hour of labels"),
        _("points"),
        _("Hundredths of error rate on the test set."),
    ),
    "stop_rounds": (_("Rounds looked at"), "", ""),
}
"""Label, unit and help of each number."""
RULES: Mapping[str, tuple[str, ...]] = {
    "train": ("train_minutes", "recipe"),
    "promote": (),
    "transcribe": (),
    "open_rounds": ("round_minutes", "monthly_minutes", "strategy", "audit_percent"),
    "stop": ("stop_gain", "stop_rounds"),
}
"""What is filled in beside each switch."""
TITLES = {
    "train": (_("Train"), _("Launch a training when enough was labelled since the last one.")),
    "promote": (
        _("Promote what is better"),
        _(
            "Judge each new model on the frozen test set. The better one becomes champion, another stays challenger."
        ),
    ),
    "transcribe": (
        _("Transcribe again"),
        _("Have a new champion hear the pool, so that clips show what it is unsure of."),
    ),
    "open_rounds": (
        _("Open rounds"),
        _("Open the next round when none is open, and close one when every clip came back."),
    ),
    "stop": (
        _("Stop when it is no longer worth it"),
        _("Ask people no more when their labels win too little error rate. Needs “Open rounds”."),
    ),
}
"""What each switch is called, and what it does."""


class PolicyForm(PlainForm):
    """Every switch with its thresholds, filled in as they are."""

    def __init__(self, data: Any = None, *, policy: Policy) -> None:
        held = settings_of(policy)
        numbers = {name: f"{held[name]:g}" for name in NUMBERS}
        super().__init__(
            data, initial={**held, **numbers, "audit_percent": f"{held['audit_share'] * PERCENT:g}"}
        )
        for name in SWITCHES:
            self.fields[name] = forms.BooleanField(label=TITLES[name][0], required=False)
        for name, (label, _unit, told) in NUMBERS.items():
            allowed = RANGES[name]
            kind: Any = forms.IntegerField if allowed.is_whole else forms.FloatField
            self.fields[name] = kind(
                label=label, help_text=told, min_value=allowed.least, max_value=allowed.most,
                widget=forms.NumberInput(attrs={"step": "1" if allowed.is_whole else "any"}),
            )  # fmt: skip
        self.fields["audit_percent"] = forms.FloatField(
            label=_("Audit share"),
            min_value=0,
            max_value=PERCENT,
            help_text=_("Drawn at random, to judge fairly by."),
        )
        self.fields["recipe"] = forms.ChoiceField(label=_("Recipe"), choices=[(one, one) for one in PRESETS])
        self.fields["strategy"] = forms.ChoiceField(
            label=_("Strategy"),
            choices=[(one, name_of(one, naming.STRATEGIES)) for one in settings.ACQUISITION_STRATEGIES],
        )

    def changes(self) -> dict[str, Any]:
        """The valid form as settings of the policy."""
        given = dict(self.cleaned_data)
        share = given.pop("audit_percent") / PERCENT
        return {**given, "audit_share": share}

    def rows(self, standing: dict[str, str]) -> list[dict[str, Any]]:
        """Each rule as the page shows it: its switch, its fields with their units, and what it waits for."""
        units = {name: unit for name, (_label, unit, _told) in NUMBERS.items()} | {"audit_percent": "%"}
        return [
            {
                "name": name,
                "switch": self[name],
                "told": TITLES[name][1],
                "fields": [(self[one], units.get(one, "")) for one in inside],
                "standing": standing.get(name, ""),
            }
            for name, inside in RULES.items()
        ]
