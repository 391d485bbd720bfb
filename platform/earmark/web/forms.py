"""What people fill in. Forms check shapes and ranges; what a value means is checked by the floors below."""

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from annotation.acquisition import DEFAULT_STRATEGY
from earmark.corpus import browsing
from earmark.corpus.browsing import Range, Wanted
from earmark.corpus.models import Clip, Collection, Speaker, Split, Unfit
from earmark.speech.confidence import FLAGS
from earmark.web import naming
from earmark.web.naming import name_of

LARGEST_SEED = 2**31 - 1
LARGEST_ID = 2**63 - 1
LONGEST_ROUND_MINUTES = 60 * 24 * 30


def any_of(choices: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """`choices` behind an empty one that narrows nothing."""
    return [("", _("Any")), *choices]


class PlainForm(forms.Form):
    """A form whose labels end as they are written."""

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial, label_suffix="")


MEASURED = {
    "confidence": ("low", "high", _("Confidence"), 0.05),
    "seconds": ("seconds_low", "seconds_high", _("Length, s"), 0.5),
    "snr_db": ("snr_low", "snr_high", _("Signal to noise, dB"), 1),
    "loudness_lufs": ("loudness_low", "loudness_high", _("Loudness, LUFS"), 1),
    "bandwidth_hz": ("bandwidth_low", "bandwidth_high", _("Bandwidth, Hz"), 100),
}
"""The ends of each measure's range in the address, its label, and the step of the inputs."""


class ClipFilterForm(PlainForm):
    """The filters above the clips table."""

    language = forms.ChoiceField(label=_("Language"), required=False)
    dialect = forms.ChoiceField(label=_("Dialect"), required=False)
    split = forms.ChoiceField(label=_("Split"), required=False, choices=any_of(list(Split.choices)))
    state = forms.ChoiceField(label=_("State"), required=False, choices=any_of(list(Clip.State.choices)))
    fit = forms.ChoiceField(
        label=_("Quality"),
        required=False,
        choices=any_of(
            [
                (browsing.FIT, _("fit")),
                (browsing.UNFIT, _("unfit")),
                (_("Unfit because"), list(Unfit.choices)),
                (browsing.OVERRULED, _("fit, the gate overruled")),
            ]
        ),
    )
    speaker = forms.CharField(
        label=_("Speaker"),
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"list": "speaker-names", "autocomplete": "off", "spellcheck": "false"}),
    )
    sort = forms.ChoiceField(label=_("Order"), required=False, choices=list(naming.ORDERS.items()))
    flag = forms.ChoiceField(
        label=_("Flag"),
        required=False,
        choices=any_of([(flag, name_of(flag, naming.FLAGS)) for flag in FLAGS]),
    )
    generation = forms.ChoiceField(
        label=_("Clips cut"),
        required=False,
        choices=[
            ("", _("by the newest cutting")),
            (browsing.RETIRED, _("by earlier cuttings")),
            (browsing.EVERY, _("by any cutting")),
        ],
    )
    recording = forms.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput
    )
    brought_by = forms.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput
    )

    def __init__(self, data: Any, *, languages: list[str], dialects: list[str]) -> None:
        super().__init__(data)
        for name, values in (("language", languages), ("dialect", dialects)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = any_of([(one, one) for one in values])
        for low, high, label, step in MEASURED.values():
            for name, said in ((low, _("%(measure)s from")), (high, _("%(measure)s to"))):
                widget = forms.NumberInput(attrs={"step": step, "inputmode": "decimal"})
                field = forms.FloatField(label=said % {"measure": label}, required=False, widget=widget)
                self.fields[name] = field
        for name in ("low", "high"):
            self.fields[name].widget.attrs["placeholder"] = "0–1"

    @property
    def measured(self) -> list[tuple[str, forms.BoundField, forms.BoundField]]:
        """Label and both ends of each measure's range."""
        return [(str(label), self[low], self[high]) for low, high, label, _step in MEASURED.values()]

    @property
    def asks_more(self) -> bool:
        """Whether a filter is set that stands below the first row."""
        ends = [name for low, high, *_rest in MEASURED.values() for name in (low, high)]
        return any(self.data.get(name) for name in (*ends, "flag", "generation"))

    def wanted(self, collection: Collection) -> Wanted:
        """What the valid form asks for. A speaker nobody knows has the impossible id 0: nothing is found."""
        given = {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}
        ranges = tuple(
            Range(measure, given.get(low), given.get(high))
            for measure, (low, high, *_rest) in MEASURED.items()
            if low in given or high in given
        )
        speaker = None
        if "speaker" in given:
            known = Speaker.objects.filter(collection=collection, name=given["speaker"])
            speaker = known.values_list("pk", flat=True).first() or 0
        names = ("language", "dialect", "split", "state", "fit", "flag", "generation", "sort", "recording")
        plain = {name: given[name] for name in (*names, "brought_by") if name in given}
        return Wanted(**plain, speaker=speaker, ranges=ranges)


class RoundForm(PlainForm):
    """A new round: how much audio, chosen how."""

    minutes = forms.FloatField(
        label=_("Budget"),
        min_value=0.1,
        max_value=LONGEST_ROUND_MINUTES,
        initial=30,
        help_text=_("Minutes of audio that people will listen to."),
    )
    strategy = forms.ChoiceField(label=_("Strategy"), help_text=_("Which clips are worth a person’s time."))
    audit_percent = forms.FloatField(
        label=_("Audit share"),
        min_value=0,
        max_value=100,
        initial=10,
        help_text=_(
            "Percent of the budget drawn at random, so that error and calibration can be estimated fairly."
        ),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        min_value=0,
        max_value=LARGEST_SEED,
        help_text=_("The same seed on the same clips chooses the same ones."),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(
            data, initial={"seed": secrets.randbelow(LARGEST_SEED), "strategy": DEFAULT_STRATEGY}
        )
        strategy = self.fields["strategy"]
        assert isinstance(strategy, forms.ChoiceField)
        strategy.choices = [
            (path, name_of(path, naming.STRATEGIES)) for path in settings.ACQUISITION_STRATEGIES
        ]


class ReferenceForm(PlainForm):
    """The text a reviewer holds to be true; empty says that nothing is spoken."""

    text = forms.CharField(
        label=_("Text"), required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 3}), strip=True
    )


class CollectionForm(PlainForm):
    """A new collection."""

    name = forms.CharField(label=_("Name"), max_length=120)
    slug = forms.SlugField(
        label=_("Short name"),
        max_length=50,
        help_text=_("Letters, digits and hyphens; it is part of every address."),
    )
