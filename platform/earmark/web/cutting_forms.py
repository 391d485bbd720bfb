"""The quality gate and the cutting as people fill them in. What a value means is judged by the floors below."""

from dataclasses import fields
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from earmark.corpus.gate import Gate
from earmark.speech.segmentation import SegmentationSettings
from earmark.web.forms import PlainForm

THRESHOLDS = {
    "least_snr_db": (_("Least signal to noise"), "dB", 0.5),
    "least_loudness_lufs": (_("Least loudness"), "LUFS", 0.5),
    "least_bandwidth_hz": (_("Least bandwidth"), "Hz", 100),
    "most_clipped_share": (_("Most clipping"), _("share of samples"), 0.001),
    "least_speech_seconds": (_("Least speech"), "s", 0.05),
    "most_silence_share": (_("Most silence"), _("share of the clip"), 0.01),
}
CUTS = {
    "threshold": (_("Likelihood of a voice"), "", 0.05, _("From where on a sound counts as speech, 0.2 to 0.95.")),
    "shortest_pause": (_("Shortest pause"), "s", 0.05, _("A pause of at least this length is cut at.")),
    "longest_silence": (
        _("Longest silence"), "s", 0.1, _("A short recording stays whole unless it has a longer silence."),
    ),
    "shortest": (_("Shortest clip"), "s", 0.1, _("Shorter talk is joined to its neighbours where it can be.")),
    "longest": (_("Longest clip"), "s", 1, _("At most 30 s: what models hear.")),
    "padding_before": (_("Quiet kept before"), "s", 0.01, ""),
    "padding_after": (_("Quiet kept after"), "s", 0.01, ""),
    "shortest_speech": (_("Shortest speech"), "s", 0.01, _("What is over sooner is no speech.")),
}  # fmt: skip


def _number(label: Any, step: float, *, required: bool, told: str = "", asked: Any = "") -> forms.FloatField:
    widget = forms.NumberInput(
        attrs={"step": "any", "inputmode": "decimal", "placeholder": told, "data-step": step}
    )
    return forms.FloatField(label=label, required=required, help_text=asked, widget=widget)


class GateForm(PlainForm):
    """The thresholds; one left empty follows the settings, whose value it shows."""

    def __init__(self, data: Any = None, *, settings: Gate, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        for name, (label, _unit, step) in THRESHOLDS.items():
            self.fields[name] = _number(label, step, required=False, told=f"{getattr(settings, name):g}")

    def thresholds(self) -> dict[str, float]:
        """Those that are the collection's own."""
        return {name: value for name, value in self.cleaned_data.items() if value is not None}


class CutForm(PlainForm):
    """How recordings are to be cut."""

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        for name, (label, _unit, step, asked) in CUTS.items():
            self.fields[name] = _number(label, step, required=True, asked=asked)


assert set(THRESHOLDS) == {field.name for field in fields(Gate)}
assert set(CUTS) == {field.name for field in fields(SegmentationSettings)}
