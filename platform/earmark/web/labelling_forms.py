"""How a collection is labelled, and whose account is whose, as managers fill it in."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.plans import LONGEST_GLOSSARY, RANGES, settings_of
from annotation.review_models import LabellingPlan
from earmark.corpus.models import Collection
from earmark.web.forms import PlainForm

PERCENT = 100
SHARES = {
    "known_percent": "known_share",
    "control_percent": "control_share",
    "review_percent": "review_share",
    "review_above_percent": "review_above",
}


class PlanForm(PlainForm):
    """The labelling plan; shares in percent."""

    glossary = forms.CharField(
        label=_("Glossary"),
        required=False,
        max_length=LONGEST_GLOSSARY,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text=_(
            "Names and terms as they are to be written, one a line. Annotators see them beside every clip."
        ),
    )
    known_percent = forms.FloatField(
        label=_("Clips whose answer is known"),
        min_value=0,
        max_value=RANGES["known_share"].most * PERCENT,
        help_text=_("Hidden among the others of a round, to see how reliable each annotator is."),
    )
    control_percent = forms.FloatField(
        label=_("Clips transcribed from nothing"),
        min_value=0,
        max_value=RANGES["control_share"].most * PERCENT,
        help_text=_("Without the recogniser’s text, to see how much time it saves."),
    )
    review_percent = forms.FloatField(
        label=_("Reviewed at random"),
        min_value=0,
        max_value=RANGES["review_share"].most * PERCENT,
        help_text=_("Of what is labelled, whatever is known of it."),
    )
    review_above_percent = forms.FloatField(
        label=_("Reviewed above an error rate of"),
        required=False,
        min_value=0,
        max_value=RANGES["review_above"].most * PERCENT,
        help_text=_("Everything by a person who errs more often; nobody’s for that reason when empty."),
    )
    idle_seconds = forms.FloatField(
        label=_("Idle after"),
        min_value=RANGES["idle_seconds"].least,
        max_value=RANGES["idle_seconds"].most,
        help_text=_("Longer without a key or a click does not count as work."),
    )
    hourly_cost = forms.FloatField(
        label=_("Cost of an hour of work"), required=False, min_value=0, max_value=RANGES["hourly_cost"].most
    )
    currency = forms.CharField(label=_("Currency"), min_length=3, max_length=3)

    def __init__(self, data: Any = None, *, plan: LabellingPlan) -> None:
        held = settings_of(plan)
        shares = {
            name: "" if held[share] is None else f"{held[share] * PERCENT:g}"
            for name, share in SHARES.items()
        }
        super().__init__(data, initial={**held, **shares, "idle_seconds": f"{plan.idle_seconds:g}"})

    def changes(self) -> dict[str, Any]:
        """The valid form as settings of the plan."""
        given = dict(self.cleaned_data)
        percents = {share: given.pop(name) for name, share in SHARES.items()}
        shares = {share: None if told is None else told / PERCENT for share, told in percents.items()}
        return {**shares, **given}


class AccountForm(PlainForm):
    """Whose an account of Label Studio is."""

    username = forms.ChoiceField(label=_("Person"))
    address = forms.CharField(label=_("Address in Label Studio"), max_length=254)

    def __init__(self, data: Any = None, *, collection: Collection) -> None:
        super().__init__(data)
        field = self.fields["username"]
        assert isinstance(field, forms.ChoiceField)
        names = collection.memberships.order_by("user__username").values_list("user__username", flat=True)
        field.choices = [(one, one) for one in names]
