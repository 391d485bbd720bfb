"""Where a request happens: which collection, and what the person may do there.

Every page goes through `in_collection`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.access import role_of, visible_collections
from earmark.corpus.models import Collection

READ = ("GET", "HEAD")
WRITE = ("POST",)
FORM = ("GET", "HEAD", "POST")
LAST_COLLECTION = "last_collection"
SWITCHER_LENGTH = 30


@dataclass(frozen=True)
class Place:
    """A person in a collection, with their role there."""

    person: User
    collection: Collection
    role: Role

    def may(self, needed: Role) -> bool:
        return self.role.covers(needed)

    @property
    def is_annotator(self) -> bool:
        return self.may(Role.ANNOTATOR)

    @property
    def is_reviewer(self) -> bool:
        return self.may(Role.REVIEWER)

    @property
    def is_manager(self) -> bool:
        return self.may(Role.MANAGER)

    @property
    def is_admin(self) -> bool:
        return self.may(Role.ADMIN)


View = Callable[..., HttpResponseBase]


def person_of(request: HttpRequest) -> User:
    """The signed-in person; views that call it are behind `login_required`."""
    assert isinstance(request.user, User)
    return request.user


def in_collection(needed: Role, methods: tuple[str, ...] = READ) -> Callable[[View], View]:
    """Turn `view(request, place, ...)` into a view of the address `<slug>`.

    A collection the person is not a member of does not exist for them (404); one they are in with too small a role
    refuses (403). `methods` is what the address answers to; everything else is a 405.
    """

    def decorate(view: View) -> View:
        @never_cache
        @require_http_methods(list(methods))
        @login_required
        @wraps(view)
        def wrapped(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
            place = place_of(request, slug)
            if not place.may(needed):
                raise PermissionDenied
            return view(request, place, **kwargs)

        return wrapped

    return decorate


def place_of(request: HttpRequest, slug: str) -> Place:
    """The collection `slug` as the person behind `request` may see it; Http404 when they may not."""
    person = person_of(request)
    collection = get_object_or_404(visible_collections(person), slug=slug)
    role = role_of(person, collection)
    if role is None:
        raise PermissionDenied
    if request.session.get(LAST_COLLECTION) != slug:
        request.session[LAST_COLLECTION] = slug
    return Place(person, collection, Role(role))


def page(
    request: HttpRequest, place: Place, template: str, context: dict[str, Any] | None = None, *, section: str
) -> HttpResponse:
    """Render a whole page with the frame around it; `section` is the entry of the sidebar it belongs to."""
    frame = {
        "place": place,
        "section": section,
        "collections": visible_collections(place.person)[:SWITCHER_LENGTH],
    }
    return render(request, template, {**frame, **(context or {})})


def part(request: HttpRequest, place: Place, template: str, context: dict[str, Any]) -> HttpResponse:
    """Render a piece of a page for htmx."""
    return render(request, template, {"place": place, **context})
