"""The clips table, and what a reviewer holds to be true of a clip."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.corpus.browsing import Wanted
from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference
from earmark.recognition.models import Alias
from earmark.recognition.registry import holder
from earmark.web.forms import ClipFilterForm, ReferenceForm
from earmark.web.places import WRITE, Place, in_collection, page, part
from earmark.web.queries.clips import Cursor, clips_page, languages_and_dialects, speakers_like
from earmark.web.views.telling import telling


@in_collection(Role.VIEWER)
def clips(request: HttpRequest, place: Place) -> HttpResponse:
    languages, dialects = languages_and_dialects(place.collection)
    form = ClipFilterForm(request.GET, languages=languages, dialects=dialects)
    try:
        cursor = Cursor.decode(request.GET["after"]) if request.GET.get("after") else None
    except ValueError:
        return HttpResponseBadRequest(_("This is no page of the table: open the clips again."))
    champion = holder(place.collection, Alias.Name.CHAMPION)
    context: dict[str, Any] = {"form": form, "champion": champion}
    if not form.is_valid():
        return page(request, place, "web/clips.html", context, section="clips")
    wanted = form.wanted(place.collection)
    context |= {
        "wanted": wanted,
        "is_narrowed": wanted != Wanted(sort=wanted.sort),
        "found": clips_page(collection=place.collection, model=champion, wanted=wanted, cursor=cursor),
    }
    return page(request, place, "web/clips.html", context, section="clips")


@in_collection(Role.VIEWER)
def speakers(request: HttpRequest, place: Place) -> HttpResponse:
    """The speakers whose names begin with `speaker`, for the filter to offer while somebody types."""
    beginning = request.GET.get("speaker", "").strip()[:120]
    found = speakers_like(place.collection, beginning) if beginning else []
    return part(request, place, "web/parts/speaker_names.html", {"speakers": found})


@in_collection(Role.REVIEWER, WRITE)
def reference_set(request: HttpRequest, place: Place, pk: int) -> HttpResponse:
    """Hold a text to be true for the clip, as its newest version."""
    one = get_object_or_404(Clip, pk=pk, collection=place.collection)
    form = ReferenceForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest(str(form.errors))
    with telling(request, _("The reference is kept as a new version.")):
        set_reference(
            clip_id=one.pk,
            text=form.cleaned_data["text"],
            kind=Reference.Kind.ADJUDICATED,
            author=place.person.username,
        )
    return redirect("web:clip", slug=place.collection.slug, pk=one.pk)
