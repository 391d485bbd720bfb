"""How audio is to be brought in: what an upload and a folder on the server are asked alike."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from earmark.corpus.import_roots import allowed_source
from earmark.corpus.sources import Channels
from earmark.corpus.sources.layouts import DESCRIBED, FILES
from earmark.web.forms import PlainForm

LAYOUT_NAMES = {
    "kaldi": _("Kaldi data directory"),
    "common_voice": _("Common Voice"),
    "audiofolder": _("Hugging Face AudioFolder"),
    "lhotse": _("Lhotse manifests"),
    "nemo": _("NeMo manifest"),
}
CHANNELS = [
    (Channels.MIX.value, _("Together, as one voice")),
    (Channels.SPLIT.value, _("Each as a speaker of its own (telephone)")),
    (Channels.FIRST.value, _("The first alone")),
]


class ImportOptionsForm(PlainForm):
    """What is known of the files beside their sound."""

    layout = forms.ChoiceField(
        label=_("Layout"),
        required=False,
        choices=[
            ("", _("Audio files")),
            *((name, LAYOUT_NAMES.get(name, name)) for name in DESCRIBED),
            (FILES, _("Audio files, whatever lies beside them")),
        ],
        help_text=_("A layout brings its transcripts, speakers and splits along."),
    )
    channels = forms.ChoiceField(
        label=_("Channels"),
        required=False,
        choices=CHANNELS,
        help_text=_("What becomes of stereo files."),
    )
    manifest = forms.CharField(
        label=_("Manifest"),
        required=False,
        max_length=1000,
        widget=forms.Select,
        help_text=_("CSV or JSONL with speaker, language, dialect, split and text of each file."),
    )
    speaker_from = forms.CharField(
        label=_("Speaker from the path"),
        required=False,
        max_length=500,
        widget=forms.TextInput(
            attrs={"spellcheck": "false", "autocomplete": "off", "placeholder": "(?P<speaker>[^/]+)/[^/]+$"}
        ),
        help_text=_("A regular expression with groups named speaker, language, dialect or split."),
    )


class ServerImportForm(ImportOptionsForm):
    """A folder that the workers see, or a prefix of a bucket."""

    field_order = ("source",)

    source = forms.CharField(
        label=_("Folder or bucket"),
        max_length=1000,
        widget=forms.TextInput(
            attrs={"spellcheck": "false", "autocomplete": "off", "placeholder": "/srv/audio/calls"}
        ),
        help_text=_("A folder as the servers see it, an archive, or s3://bucket/prefix."),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.auto_id = "server_%s"
        self.fields["manifest"].widget = forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"})

    def asked(self) -> dict[str, Any]:
        """The arguments of `submit_ingest`. Raises EarmarkError `corpus:import:not-allowed`."""
        return allowed_source(**{name: value for name, value in self.cleaned_data.items() if value})
