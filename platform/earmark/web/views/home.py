"""The home page: the loop with its numbers, and what to do next."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotation.desk import waiting_number
from annotation.review_queue import Queue, sizes
from earmark.accounts.roles import Role
from earmark.corpus.access import visible_collections
from earmark.corpus.services import create_collection
from earmark.datasets.snapshots import freeze_test_set
from earmark.recognition.runs import submit_transcription
from earmark.recognition.transcription import Only
from earmark.web import loop_figure
from earmark.web.forms import CollectionForm
from earmark.web.places import FORM, LAST_COLLECTION, READ, WRITE, Place, in_collection, page, person_of
from earmark.web.queries.home import Situation, situation
from earmark.web.steps import Step, next_step
from earmark.web.views.telling import telling


@require_http_methods(list(READ))
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """To the collection the person was in last, or to the first they may see."""
    collections = visible_collections(person_of(request))
    last = collections.filter(slug=request.session.get(LAST_COLLECTION, "")).first()
    chosen = last or collections.first()
    if chosen is not None:
        return redirect("web:collection", slug=chosen.slug)
    return render(request, "web/no_collection.html", {"form": CollectionForm()})


@require_http_methods(list(FORM))
@login_required
def collection_new(request: HttpRequest) -> HttpResponse:
    """Open a collection; superusers only."""
    person = person_of(request)
    if not person.is_superuser:
        raise PermissionDenied
    form = CollectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_collection(**form.cleaned_data, by=person)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("web:collection", slug=made.slug)
    return render(request, "web/no_collection.html", {"form": form})


@in_collection(Role.VIEWER)
def collection(request: HttpRequest, place: Place) -> HttpResponse:
    now = situation(place.collection)
    step = next_step(now)
    context = {
        "now": now,
        "step": step,
        "step_url": step_url(place, step, now),
        "hints": _hints(place),
        "may_act": place.may(step.needs),
        "stations": loop_figure.stations(now, step),
        "edges": loop_figure.edges(step),
        "figure": loop_figure,
        "is_live": bool(now.running) or now.turn.open_round is not None,
    }
    return page(request, place, "web/home.html", context, section="home")


def _hints(place: Place) -> dict[str, int]:
    """What waits for this person, by where; nothing where nothing does."""
    found = {"own": waiting_number(place.collection, place.person)} if place.is_annotator else {}
    if place.is_reviewer:
        counted = sizes(place.collection)
        found |= {queue.value: counted[queue] for queue in Queue}
    return found if any(found.values()) else {}


def step_url(place: Place, step: Step, now: Situation) -> str:
    """The address of the step's action in this collection; empty where there is none."""
    if not step.action:
        return ""
    arguments: dict[str, str | int] = {"slug": place.collection.slug}
    if step.action == "web:round" and now.turn.open_round:
        arguments["number"] = now.turn.open_round
    if step.action == "web:training" and now.training:
        arguments["pk"] = now.training.pk
    return reverse(step.action, kwargs=arguments)


@in_collection(Role.MANAGER, WRITE)
def transcribe(request: HttpRequest, place: Place) -> HttpResponse:
    """Have the champion hear what has no reference and was not heard."""
    with telling(request, _("The champion will hear every clip it has not heard yet.")):
        submit_transcription(collection=place.collection, only=Only.POOL, by=place.person)
    return redirect("web:collection", slug=place.collection.slug)


@in_collection(Role.ADMIN, WRITE)
def freeze(request: HttpRequest, place: Place) -> HttpResponse:
    """Freeze the test set, once and for good."""
    with telling(request, _("The test set is frozen. Every model is measured on it from now on.")):
        freeze_test_set(collection=place.collection, by=place.person)
    return redirect("web:snapshots", slug=place.collection.slug)
