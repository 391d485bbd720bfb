"""How a collection is labelled, and how a Label Studio project of one's own is connected to it."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from knox.models import AuthToken

from annotation.ml_models import ConnectedProject
from annotation.plans import plan_of, set_plan
from earmark.accounts.roles import Role
from earmark.accounts.services import audit
from earmark.speech.errors import EarmarkError
from earmark.web.labelling_forms import PlanForm
from earmark.web.places import WRITE, Place, in_collection, page

TOKEN_LIFETIME = timedelta(days=365)
SHOWN_PROJECTS = 50


@in_collection(Role.VIEWER)
def labelling(request: HttpRequest, place: Place) -> HttpResponse:
    return _page(request, place, PlanForm(plan=plan_of(place.collection)))


@in_collection(Role.MANAGER, WRITE)
def labelling_set(request: HttpRequest, place: Place) -> HttpResponse:
    form = PlanForm(request.POST, plan=plan_of(place.collection))
    if form.is_valid():
        try:
            set_plan(collection=place.collection, changes=form.changes(), by=place.person)
        except EarmarkError as error:
            form.add_error(None, f"{error} ({error.error_id})")
        else:
            messages.success(request, _("The labelling plan is saved."))
            return redirect("web:labelling", slug=place.collection.slug)
    return _page(request, place, form)


@in_collection(Role.ANNOTATOR, WRITE)
def label_studio_token(request: HttpRequest, place: Place) -> HttpResponse:
    """A token that Label Studio signs in with, as the person who asks for it; it is shown this once."""
    row, token = AuthToken.objects.create(user=place.person, expiry=TOKEN_LIFETIME)
    audit(
        place.person, "make token for Label Studio", f"user {place.person.pk}", expiry=row.expiry.isoformat()
    )
    return _page(request, place, PlanForm(plan=plan_of(place.collection)), token=token)


def _page(request: HttpRequest, place: Place, form: PlanForm, *, token: str = "") -> HttpResponse:
    context = {
        "form": form,
        "token": token,
        "token_days": TOKEN_LIFETIME.days,
        "address": f"{settings.EARMARK.site_url}/ml/{place.collection.slug}",
        "projects": ConnectedProject.objects.filter(collection=place.collection).select_related(
            "connected_by"
        )[:SHOWN_PROJECTS],
    }
    return page(request, place, "web/labelling.html", context, section="labelling")
