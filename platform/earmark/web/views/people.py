"""Who works on a collection, as what."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.services import add_member, remove_member
from earmark.web.forms import PlainForm
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.views.telling import telling

ROLE_DOES = {
    Role.VIEWER: gettext_lazy("sees everything, hears every clip"),
    Role.ANNOTATOR: gettext_lazy("also labels clips in Label Studio"),
    Role.REVIEWER: gettext_lazy("also corrects references"),
    Role.MANAGER: gettext_lazy("also opens and closes rounds, promotes models, exports"),
    Role.ADMIN: gettext_lazy("also launches trainings, freezes the test set, adds people"),
}


class MemberForm(PlainForm):
    """A person by user name, and their role."""

    username = forms.CharField(label=gettext_lazy("User name"), max_length=150)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.ANNOTATOR)

    def clean_username(self) -> User:
        name = self.cleaned_data["username"]
        person = User.objects.filter(username=name, is_active=True).first()
        if person is None:
            raise forms.ValidationError(
                _("Nobody is called “%(name)s”. Create the account in the administration first.")
                % {"name": name}
            )
        return person


@in_collection(Role.VIEWER)
def people(request: HttpRequest, place: Place) -> HttpResponse:
    return _page(request, place, MemberForm())


@in_collection(Role.ADMIN, WRITE)
def person_set(request: HttpRequest, place: Place) -> HttpResponse:
    """Give someone a role; one they had is replaced."""
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _page(request, place, form)
    person, role = form.cleaned_data["username"], Role(form.cleaned_data["role"])
    with telling(request, _("%(name)s is %(role)s now.") % {"name": person.username, "role": role.label}):
        add_member(collection=place.collection, user=person, role=role, by=place.person)
    return redirect("web:people", slug=place.collection.slug)


@in_collection(Role.ADMIN, WRITE)
def person_remove(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Take someone out of the collection; what they did stays."""
    member = get_object_or_404(place.collection.memberships.select_related("user"), pk=pk)
    with telling(
        request, _("%(name)s no longer belongs to this collection.") % {"name": member.user.username}
    ):
        remove_member(collection=place.collection, user=member.user, by=place.person)
    return redirect("web:people", slug=place.collection.slug)


def _page(request: HttpRequest, place: Place, form: MemberForm) -> HttpResponse:
    order = list(Role)
    members = sorted(
        place.collection.memberships.select_related("user"),
        key=lambda one: (-order.index(Role(one.role)), one.user.username),
    )
    context = {"members": members, "form": form, "roles": list(ROLE_DOES.items())}
    return page(request, place, "web/people.html", context, section="people")
