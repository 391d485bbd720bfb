"""What people fill in to compare two models, and to register one."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from earmark.datasets.models import Snapshot
from earmark.recognition.models import ModelVersion
from earmark.recognition.registering import LONGEST_NAME, LONGEST_SOURCE
from earmark.web.forms import PlainForm
from training_jobs.comparing import LONGEST_SAMPLE_SECONDS, SAMPLE_SECONDS


class CompareForm(PlainForm):
    """Which two models, on which frozen set, and what counts as the same."""

    a = forms.ModelChoiceField(ModelVersion.objects.none(), label=_("Model A"), empty_label=None)
    b = forms.ModelChoiceField(ModelVersion.objects.none(), label=_("Model B"), empty_label=None)
    snapshot = forms.ModelChoiceField(
        Snapshot.objects.none(),
        label=_("Frozen set"),
        empty_label=None,
        help_text=_("Of a training’s snapshot the dev side is heard."),
    )
    digits = forms.BooleanField(
        label=_("二十三, twenty-three and 23 are the same"), required=False, label_suffix=""
    )
    simplified = forms.BooleanField(
        label=_("Traditional and simplified characters are the same"), required=False, label_suffix=""
    )
    sample_seconds = forms.FloatField(
        label=_("Audio to measure speed with"),
        min_value=1,
        max_value=LONGEST_SAMPLE_SECONDS,
        initial=SAMPLE_SECONDS,
        help_text=_("Seconds that both models hear afresh, in turn, each in a process of its own."),
    )

    def __init__(
        self,
        data: Any,
        *,
        models: QuerySet[ModelVersion],
        snapshots: QuerySet[Snapshot],
        chosen: Mapping[str, str],
    ) -> None:
        newest = list(models[:2])
        older, newer = (newest[-1], newest[0]) if newest else (None, None)
        frozen = snapshots.filter(purpose=Snapshot.Purpose.TEST).first() or snapshots.first()
        super().__init__(
            data, initial={"a": chosen.get("a") or older, "b": chosen.get("b") or newer, "snapshot": frozen}
        )
        for name, rows in (("a", models), ("b", models), ("snapshot", snapshots)):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows


class RegisterForm(PlainForm):
    """A model that is somewhere, and the name it is to have here."""

    name = forms.CharField(label=_("Name"), max_length=LONGEST_NAME)
    source = forms.CharField(
        label=_("Source"),
        max_length=LONGEST_SOURCE,
        help_text=_("A folder that the workers see, a hub id, or http://host:port/v1#model."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "placeholder": "openai/whisper-large-v3"}),
    )
    engine = forms.ChoiceField(label=_("Engine"), required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        engine = self.fields["engine"]
        assert isinstance(engine, forms.ChoiceField)
        engine.choices = [("", _("as the model says")), *((name, name) for name in settings.ENGINES)]
