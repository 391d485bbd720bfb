"""Accounts in Label Studio: who has one, who is invited to one, whose submissions are nobody's."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation import label_studio
from annotation.accounts_mapping import accounts_of, map_by_hand, unmapped_submitters
from annotation.invitations import invite, token_of
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.speech.errors import EarmarkError
from earmark.web.labelling_forms import AccountForm
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.views.telling import telling


@in_collection(Role.MANAGER)
def accounts(request: HttpRequest, place: Place) -> HttpResponse:
    return _page(request, place, AccountForm(collection=place.collection))


@in_collection(Role.MANAGER, WRITE)
def account_invite(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Make a link for a member; it is shown this once."""
    member = get_object_or_404(place.collection.memberships.select_related("user"), pk=pk)
    link = ""
    with telling(request):
        made = invite(collection=place.collection, user=member.user, by=place.person)
        link = settings.EARMARK.site_url + reverse("web:join", args=[token_of(made)])
    form = AccountForm(collection=place.collection)
    return _page(request, place, form, link=link, invited=member.user)


@in_collection(Role.MANAGER, WRITE)
def account_map(request: HttpRequest, place: Place) -> HttpResponse:
    """Say whose an account is."""
    form = AccountForm(request.POST, collection=place.collection)
    if not form.is_valid():
        return _page(request, place, form)
    name, address = form.cleaned_data["username"], form.cleaned_data["address"]
    user = get_object_or_404(User, username=name, memberships__collection=place.collection)
    try:
        with label_studio.client() as studio:
            emails = studio.emails()
        with telling(request, _("%(address)s is %(name)s now.") % {"address": address, "name": name}):
            map_by_hand(
                collection=place.collection, user=user, address=address, emails=emails, by=place.person
            )
    except EarmarkError as error:
        form.add_error(None, f"{error} ({error.error_id})")
        return _page(request, place, form)
    return redirect("web:accounts", slug=place.collection.slug)


def _page(
    request: HttpRequest, place: Place, form: AccountForm, *, link: str = "", invited: User | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "link": link,
        "invited": invited,
        "rows": accounts_of(place.collection),
        "strangers": unmapped_submitters(place.collection),
    }
    return page(request, place, "web/accounts.html", context, section="people")
