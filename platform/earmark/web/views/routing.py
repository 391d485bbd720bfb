"""Who labels what: annotators, routing rules, and what could not be taken as it came."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Round
from annotation.review_models import Incident
from annotation.rounds import start_repair
from annotation.routing_models import Annotator, RoutingRule
from annotation.routing_preview import names_of, preview
from annotation.team import set_annotator, set_rules
from earmark.accounts.roles import Role
from earmark.speech.errors import EarmarkError
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.routing_forms import AnnotatorForm, RuleForm
from earmark.web.views.telling import telling

INCIDENTS_SHOWN = 200


@in_collection(Role.VIEWER)
def annotators(request: HttpRequest, place: Place) -> HttpResponse:
    return _annotators(request, place, None)


@in_collection(Role.MANAGER, WRITE)
def annotator_set(request: HttpRequest, place: Place) -> HttpResponse:
    """Note what somebody understands, how much a day, when they are away."""
    form = AnnotatorForm(place.collection, request.POST)
    if form.is_valid():
        person = form.cleaned_data["person"]
        try:
            set_annotator(collection=place.collection, user=person, by=place.person, **form.fields_told())
        except EarmarkError as error:
            form.add_error(None, f"{error} ({error.error_id})")
        else:
            messages.success(request, _("Saved what %(name)s labels.") % {"name": person.username})
            return redirect("web:annotators", slug=place.collection.slug)
    return _annotators(request, place, form)


def _annotators(request: HttpRequest, place: Place, form: AnnotatorForm | None) -> HttpResponse:
    rows = list(Annotator.objects.filter(collection=place.collection).select_related("user"))
    chosen = next((one for one in rows if str(one.pk) == request.GET.get("change")), None)
    today = timezone.now().date()
    context = {
        "rows": [(one, one.is_here(today)) for one in rows],
        "form": form or AnnotatorForm(place.collection, initial=AnnotatorForm.told_of(chosen)),
    }
    return page(request, place, "web/annotators.html", context, section="people")


@in_collection(Role.VIEWER)
def routing(request: HttpRequest, place: Place) -> HttpResponse:
    return _routing(request, place, None)


@in_collection(Role.ADMIN, WRITE)
def rule_set(request: HttpRequest, place: Place) -> HttpResponse:
    """Add a rule at the end, or change one in its place."""
    form = RuleForm(place.collection, request.POST)
    if form.is_valid():
        rules = _told(place)
        given = form.fields_told()
        at = next((n for n, one in enumerate(rules) if one["id"] == given["id"]), None)
        if at is None:
            rules.append(given | {"id": None})
        else:
            rules[at] = given
        try:
            set_rules(collection=place.collection, rules=rules, by=place.person)
        except EarmarkError as error:
            form.add_error(None, f"{error} ({error.error_id})")
        else:
            return redirect("web:routing", slug=place.collection.slug)
    return _routing(request, place, form)


@in_collection(Role.ADMIN, WRITE)
def rule_move(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Have a rule come before the one that is before it, or take it away."""
    get_object_or_404(RoutingRule, collection=place.collection, pk=pk)
    rules = _told(place)
    at = next(n for n, one in enumerate(rules) if one["id"] == pk)
    rule = rules.pop(at)
    if request.POST.get("how") != "remove":
        rules.insert(max(0, at - 1), rule)
    with telling(request, _("The rules are changed.")):
        set_rules(collection=place.collection, rules=rules, by=place.person)
    return redirect("web:routing", slug=place.collection.slug)


def _told(place: Place) -> list[dict[str, Any]]:
    """The rules as `set_rules` takes them."""
    found = RoutingRule.objects.filter(collection=place.collection).prefetch_related("annotators")
    return [RuleForm.told_of(one) for one in found]


def _routing(request: HttpRequest, place: Place, form: RuleForm | None) -> HttpResponse:
    rules = list(RoutingRule.objects.filter(collection=place.collection).prefetch_related("annotators__user"))
    taken = {one.rule: one for one in preview(place.collection, now=timezone.now())}
    names = names_of(place.collection)
    chosen = next((one for one in rules if str(one.pk) == request.GET.get("change")), None)

    def told(rule: int | None) -> dict[str, Any]:
        found = taken.get(rule)
        could = [(names[pk], clips) for pk, clips in found.people.most_common()] if found else []
        return {"taken": found, "could": could}

    context = {
        "rules": [{"rule": one, **told(one.pk)} for one in rules],
        "rest": told(None),
        "has_people": bool(names),
        "form": form or RuleForm(place.collection, initial=RuleForm.told_of(chosen) if chosen else None),
    }
    return page(request, place, "web/routing.html", context, section="people")


@in_collection(Role.MANAGER)
def incidents(request: HttpRequest, place: Place) -> HttpResponse:
    found = Incident.objects.filter(collection=place.collection).select_related("round")
    context = {"incidents": found[:INCIDENTS_SHOWN]}
    return page(request, place, "web/incidents.html", context, section="rounds")


@in_collection(Role.MANAGER, WRITE)
def round_repair(request: HttpRequest, place: Place, number: int) -> HttpResponse:
    one = get_object_or_404(Round, collection=place.collection, number=number)
    with telling(request, _("Putting the round’s project in Label Studio right. What was answered stays.")):
        start_repair(round=one, by=place.person)
    return redirect("web:round", slug=place.collection.slug, number=number)
