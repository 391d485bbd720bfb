"""What people fill in to have a model trained, and to have a training taken up again."""

import json
from typing import Any, Final

from django import forms
from django.conf import settings
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from earmark.datasets.models import Snapshot
from earmark.recognition.models import ModelVersion
from earmark.web.forms import LARGEST_SEED, PlainForm
from training_jobs.recipe.presets import DEFAULT_PRESET, PRESETS
from training_jobs.recipe.recipes import as_table
from training_jobs.resources import PRECISIONS, Resources
from training_jobs.stopping import LONGEST_REASON

RECIPES: Final[dict[str, Promise]] = {
    "earmark": _(
        "Learns from labels and from what an averaged teacher hears in the unlabelled clips, as far as its calibrated "
        "confidence can be trusted. The one to take."
    ),
    "article": _(
        "The published recipe: labels first, then beside them what a teacher hears over a fixed confidence, held to an "
        "average of itself."
    ),
    "supervised": _("Learns from the labels alone. To see what the unlabelled clips are worth."),
    "demo": _("Short and quick, made for the small model of the demonstration."),
}
METHODS: Final[dict[str, Promise]] = {
    "full": _("all of the language model"),
    "lora": _("low-rank adapters: a fraction of the memory"),
}
SETTINGS: Final[dict[str, tuple[Promise, type[forms.Field], dict[str, Any]]]] = {
    "warm_up_epochs": (_("Epochs on labels alone"), forms.IntegerField, {"min_value": 0, "max_value": 1000}),
    "mixed_epochs": (_("Epochs with pseudo-labels"), forms.IntegerField, {"min_value": 0, "max_value": 1000}),
    "batch_size": (_("Clips in a batch"), forms.IntegerField, {"min_value": 1, "max_value": 4096}),
    "learning_rate": (_("Learning rate"), forms.FloatField, {"min_value": 1e-8, "max_value": 1}),
    "pseudo_threshold": (
        _("Least confidence of a pseudo-label"),
        forms.FloatField,
        {"min_value": 0, "max_value": 1},
    ),
    "patience": (_("Epochs without improvement before it stops"), forms.IntegerField, {"min_value": 0}),
}
"""The settings of a recipe that are asked by name: label, field, its limits. Empty: as the recipe has it."""
METHOD = "adaptation_method"
LARGEST_PRIORITY = 1000
OFFERED = 30


class LaunchForm(PlainForm):
    """A new training: what it learns from, how, where."""

    recipe = forms.ChoiceField(
        label=_("Recipe"),
        choices=[(name, name) for name in sorted(PRESETS, key=[*RECIPES, *PRESETS].index)],
        widget=forms.RadioSelect,
    )
    snapshot = forms.ChoiceField(label=_("Clips and labels"), required=False)
    base = forms.ChoiceField(label=_("Begins from"), required=False)
    adaptation_method = forms.ChoiceField(
        label=_("What learns"),
        required=False,
        choices=[("", _("as the recipe has it")), *METHODS.items()],
    )
    processes = forms.IntegerField(
        label=_("Devices"),
        min_value=1,
        initial=1,
        help_text=_("Processes that share the work, each on its own."),
    )
    precision = forms.ChoiceField(label=_("Precision"), choices=[(one, one) for one in PRECISIONS])
    priority = forms.IntegerField(
        label=_("Priority"),
        min_value=-LARGEST_PRIORITY,
        max_value=LARGEST_PRIORITY,
        initial=0,
        help_text=_("Of the trainings that wait, the highest begins first."),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        min_value=0,
        max_value=LARGEST_SEED,
        initial=1,
        help_text=_("The same snapshot, recipe and seed give the same model."),
    )
    overrides = forms.CharField(
        label=_("More settings"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(
            attrs={"rows": 3, "spellcheck": "false", "placeholder": '{"teacher_decay": 0.99}'}
        ),
        help_text=_("A JSON object of the recipe’s other settings."),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        snapshots: list[Snapshot],
        models: list[ModelVersion],
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial={"recipe": DEFAULT_PRESET, **(initial or {})})
        self._snapshots = {str(one.pk): one for one in snapshots}
        self._models = {str(one.pk): one for one in models}
        for name, (label, kind, limits) in SETTINGS.items():
            step = {"step": "any"} if kind is forms.FloatField else {}
            widget = forms.NumberInput(
                attrs={"data-setting": name, "placeholder": _t("as the recipe"), **step}
            )
            self.fields[name] = kind(label=str(label), required=False, widget=widget, **limits)
        self.fields["processes"].widget.attrs["max"] = len(settings.EARMARK.training_devices)
        self._offer("snapshot", [("", _t("all that is labelled now")), *map(_named, snapshots)])
        self._offer(
            "base", [("", _t("the champion")), *((key, one.name) for key, one in self._models.items())]
        )

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @property
    def recipes(self) -> list[tuple[forms.boundfield.BoundWidget, str, str]]:
        """Each recipe's button, name and sentence."""
        return [
            (one, str(one.data["value"]), str(RECIPES.get(one.data["value"], ""))) for one in self["recipe"]
        ]

    @property
    def settings(self) -> list[forms.BoundField]:
        """The settings asked by name."""
        return [self[name] for name in SETTINGS]

    @property
    def asks_more(self) -> bool:
        """Whether something is filled in, or wrong, behind the fold."""
        folded = ("overrides", "seed", "priority", "precision", METHOD)
        return any(name in self.errors for name in folded) or bool(self.data.get("overrides"))

    def clean_overrides(self) -> dict[str, Any]:
        text = self.cleaned_data["overrides"].strip()
        if not text:
            return {}
        try:
            value = json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(_t("This is not JSON: %(error)s.") % {"error": error}) from error
        if not isinstance(value, dict):
            raise forms.ValidationError(_t('Write one JSON object, like {"mixed_epochs": 4}.'))
        return value

    def asked(self) -> dict[str, Any]:
        """What `dry_run` and, with seed and priority, `launch` are told; the form is valid."""
        given = self.cleaned_data
        changed = {name: given[name] for name in SETTINGS if given[name] is not None}
        if given[METHOD]:
            changed["adaptation"] = {**given["overrides"].get("adaptation", {}), "method": given[METHOD]}
        return {
            "recipe": given["recipe"],
            "snapshot": self._snapshots.get(given["snapshot"]),
            "base": self._models.get(given["base"]),
            "overrides": {**given["overrides"], **changed},
            "resources": Resources(given["processes"], given["precision"]),
        }


class RetryForm(PlainForm):
    """Why a training is taken up again."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("What has been mended, or why it may go well now. It is kept with the training."),
    )


def defaults() -> dict[str, dict[str, Any]]:
    """What each recipe has for the settings asked by name."""
    return {name: {each: as_table(recipe)[each] for each in SETTINGS} for name, recipe in PRESETS.items()}


def _named(snapshot: Snapshot) -> tuple[str, str]:
    taken = date_format(snapshot.created_at, "Y-m-d H:i")
    clips = snapshot.counts.get("labelled_clips", 0)
    told = {"at": taken, "n": clips, "digest": snapshot.digest[:8]}
    return str(snapshot.pk), _t("%(at)s, %(n)s labelled clips (%(digest)s)") % told
