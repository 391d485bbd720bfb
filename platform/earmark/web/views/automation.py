"""The loop by itself: what an admin switched on, what it waits for, what it did."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.loop.deciding import Act
from earmark.loop.models import PolicyAct
from earmark.loop.policies import SWITCHES, policy_of, set_policy
from earmark.loop.telling import act_in_words, standing_in_words
from earmark.loop.turning import standing
from earmark.web.automation_forms import PolicyForm
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.views.telling import telling

SHOWN_ACTS = 50
LEADS_TO = {
    Act.TRAIN: ("web:training", "training", "pk"),
    Act.CLOSE_ROUND: ("web:round", "round", "number"),
    Act.OPEN_ROUND: ("web:round", "round", "number"),
    Act.PROMOTE: ("web:models", "", ""),
    Act.TRANSCRIBE: ("web:transcriptions", "", ""),
    Act.MEASURE: ("web:models", "", ""),
}
"""Where an act's outcome is shown: the address, and what of its details goes into it as what."""


@in_collection(Role.VIEWER)
def automation(request: HttpRequest, place: Place) -> HttpResponse:
    return _page(request, place, PolicyForm(policy=policy_of(place.collection)))


@in_collection(Role.ADMIN, WRITE)
def automation_set(request: HttpRequest, place: Place) -> HttpResponse:
    """Switch on and off, and change thresholds."""
    form = PolicyForm(request.POST, policy=policy_of(place.collection))
    if not form.is_valid():
        return _page(request, place, form)
    with telling(request):
        policy = set_policy(collection=place.collection, changes=form.changes(), by=place.person)
        told = _("The loop turns by itself now.") if policy.rules.is_on else _("Nothing happens by itself.")
        messages.success(request, told)
    return redirect("web:automation", slug=place.collection.slug)


@in_collection(Role.ADMIN, WRITE)
def automation_off(request: HttpRequest, place: Place) -> HttpResponse:
    """Switch everything off at once; thresholds stay, and so does what runs already."""
    with telling(request, _("Nothing happens by itself any more. What runs already goes on.")):
        off = dict.fromkeys(SWITCHES, False)
        set_policy(collection=place.collection, changes=off, by=place.person)
    return redirect("web:automation", slug=place.collection.slug)


def _page(request: HttpRequest, place: Place, form: PolicyForm) -> HttpResponse:
    policy = policy_of(place.collection)
    found = standing_in_words(standing(place.collection))
    context = {
        "policy": policy,
        "form": form,
        "rows": form.rows(found),
        "next": found.get("next", ""),
        "is_on": policy.rules.is_on,
        "acts": [
            _act(place, row) for row in PolicyAct.objects.filter(collection=place.collection)[:SHOWN_ACTS]
        ],
    }
    return page(request, place, "web/automation.html", context, section="automation")


def _act(place: Place, row: PolicyAct) -> dict[str, object]:
    """An act as its row of the table shows it."""
    address, name, argument = LEADS_TO[Act(row.act)]
    arguments: dict[str, object] = {"slug": place.collection.slug}
    if name:
        arguments[argument] = row.details[name]
    return {"at": row.at, "told": act_in_words(row), "url": reverse(address, kwargs=arguments)}
