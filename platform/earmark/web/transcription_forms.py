"""What people fill in to have clips heard."""

from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from earmark.recognition.models import ModelVersion
from earmark.recognition.transcription import Only
from earmark.web.forms import PlainForm, any_of

ONLY: Final[dict[str, Promise]] = {
    Only.POOL: _("the pool: train side, no text"),
    Only.UNLABELLED: _("usable, no text"),
    Only.TEST: _("the test side"),
    Only.ALL: _("all, unfit ones too"),
}


class TranscriptionForm(PlainForm):
    """Who hears which clips."""

    only = forms.ChoiceField(
        label=_("Which clips"), choices=[(str(key), label) for key, label in ONLY.items()]
    )
    model = forms.ChoiceField(label=_("Model"), required=False)
    language = forms.ChoiceField(label=_("Language"), required=False)
    dialect = forms.ChoiceField(label=_("Dialect"), required=False)
    is_urgent = forms.BooleanField(
        label=_("Somebody waits for it"), required=False, help_text=_("It goes before every other run.")
    )

    def __init__(
        self, data: Any = None, *, models: list[ModelVersion], languages: list[str], dialects: list[str]
    ) -> None:
        super().__init__(data)
        self._models = {str(one.pk): one for one in models}
        choices = {
            "model": [("", _("the champion")), *((key, one.name) for key, one in self._models.items())],
            "language": any_of([(one, one) for one in languages if one]),
            "dialect": any_of([(one, one) for one in dialects if one]),
        }
        for name, offered in choices.items():
            chosen = self.fields[name]
            assert isinstance(chosen, forms.ChoiceField)
            chosen.choices = offered

    def asked(self) -> dict[str, Any]:
        """What `submit_transcription` is to be told; the form is valid."""
        given = self.cleaned_data
        return {
            "only": given["only"],
            "model": self._models.get(given["model"]),
            "narrowed": {name: given[name] for name in ("language", "dialect")},
            "is_urgent": given["is_urgent"],
        }
