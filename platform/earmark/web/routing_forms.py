"""What is filled in about annotators and routing rules. Lists are typed with commas between."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.routing_models import Annotator, RoutingRule
from annotation.team import ANNOTATOR_FIELDS, RULE_FIELDS
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.models import Collection
from earmark.web.forms import LARGEST_ID, PlainForm

LABELLING = [role for role in Role if role.covers(Role.ANNOTATOR)]


class Listed(forms.CharField):
    """Codes or names with commas between, as a list."""

    def __init__(self, longest: int, **options: Any) -> None:
        super().__init__(required=False, max_length=500, **options)
        self._longest = longest

    def clean(self, value: Any) -> Any:
        found = [part.strip() for part in super().clean(value).replace("，", ",").split(",") if part.strip()]
        if any(len(part) > self._longest for part in found):
            raise forms.ValidationError(_("One of these is too long."))
        return list(dict.fromkeys(found))


class AnnotatorForm(PlainForm):
    """What somebody understands, how much a day, when they are away."""

    person = forms.ModelChoiceField(queryset=User.objects.none(), label=_("Person"))
    languages = Listed(10, label=_("Languages"), help_text=_("such as en, zh, yue; every one when empty"))
    dialects = Listed(60, label=_("Dialects"), help_text=_("only these; every one when empty"))
    daily_minutes = forms.FloatField(
        label=_("Daily target, minutes of audio"), min_value=0, max_value=24 * 60, initial=30
    )
    is_active = forms.BooleanField(label=_("Active"), required=False, initial=True)
    away_from = forms.DateField(
        label=_("Away from"), required=False, widget=forms.DateInput({"type": "date"})
    )
    away_until = forms.DateField(
        label=_("Last day away"), required=False, widget=forms.DateInput({"type": "date"})
    )
    studio_email = forms.EmailField(
        label=_("Address in Label Studio"), required=False, help_text=_("their address here when empty")
    )

    def __init__(
        self, collection: Collection, data: Any = None, *, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        people = User.objects.filter(
            memberships__collection=collection, memberships__role__in=LABELLING, is_active=True
        )
        field = self.fields["person"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = people.order_by("username")

    def fields_told(self) -> dict[str, Any]:
        """What `set_annotator` takes."""
        told = {name: self.cleaned_data[name] for name in ANNOTATOR_FIELDS if name in self.cleaned_data}
        return told | {"daily_seconds": self.cleaned_data["daily_minutes"] * 60}

    @staticmethod
    def told_of(row: Annotator | None) -> dict[str, Any] | None:
        """What the form shows of somebody."""
        if row is None:
            return None
        return {
            **{name: getattr(row, name) for name in ANNOTATOR_FIELDS},
            "person": row.user_id,
            "languages": ", ".join(row.languages),
            "dialects": ", ".join(row.dialects),
            "daily_minutes": row.daily_seconds / 60,
        }


class Named(forms.ModelMultipleChoiceField):
    """Annotators to choose from, by name."""

    def label_from_instance(self, obj: Annotator) -> str:
        return obj.user.username


class RuleForm(PlainForm):
    """For which clips whom to ask, and how many of them."""

    id = forms.IntegerField(required=False, max_value=LARGEST_ID, widget=forms.HiddenInput)
    name = forms.CharField(label=_("Name"), max_length=80)
    languages = Listed(10, label=_("Languages"), help_text=_("any when empty"))
    dialects = Listed(60, label=_("Dialects"), help_text=_("any when empty"))
    least_percent = forms.FloatField(
        label=_("Expected error rate from, %"), required=False, min_value=0, max_value=1000
    )
    most_percent = forms.FloatField(
        label=_("Expected error rate to, %"), required=False, min_value=0, max_value=1000
    )
    share_percent = forms.FloatField(
        label=_("Share of these, %"),
        min_value=0.1,
        max_value=100,
        initial=100,
        help_text=_("drawn at random; the rest goes on to the next rule"),
    )
    people = forms.IntegerField(label=_("People asked"), min_value=1, max_value=9, initial=1)
    is_blind = forms.BooleanField(
        label=_("Blind"), required=False, help_text=_("everyone after the first starts from an empty box")
    )
    is_active = forms.BooleanField(label=_("Active"), required=False, initial=True)
    annotators = Named(queryset=Annotator.objects.none(), label=_("Only these people"), required=False)

    def __init__(
        self, collection: Collection, data: Any = None, *, initial: dict[str, Any] | None = None
    ) -> None:
        if initial is not None:
            initial = {
                **initial,
                "languages": ", ".join(initial["languages"]),
                "dialects": ", ".join(initial["dialects"]),
                "least_percent": _percent(initial["least_error"]),
                "most_percent": _percent(initial["most_error"]),
                "share_percent": _percent(initial["share"]),
            }
        super().__init__(data, initial=initial)
        field = self.fields["annotators"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = Annotator.objects.filter(collection=collection).select_related("user")

    def fields_told(self) -> dict[str, Any]:
        """One rule as `set_rules` takes it."""
        told = {name: self.cleaned_data[name] for name in RULE_FIELDS if name in self.cleaned_data}
        return told | {
            "id": self.cleaned_data["id"],
            "least_error": _share(self.cleaned_data["least_percent"]),
            "most_error": _share(self.cleaned_data["most_percent"]),
            "share": self.cleaned_data["share_percent"] / 100,
            "annotators": [one.pk for one in self.cleaned_data["annotators"]],
        }

    @staticmethod
    def told_of(row: RoutingRule) -> dict[str, Any]:
        """A rule as `set_rules` takes it."""
        told = {name: getattr(row, name) for name in RULE_FIELDS}
        return told | {"id": row.pk, "annotators": [one.pk for one in row.annotators.all()]}


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 6)


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
