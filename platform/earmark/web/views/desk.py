"""The annotator's desk, and the page on which clips are typed or decided about, one after the other."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.deciding import REASONS
from annotation.desk import Desk, desk_of, open_rounds
from annotation.label_studio import is_answering
from annotation.plans import plan_of
from annotation.project import CHOICES
from annotation.queries import project_url, queue_url
from annotation.review_queue import Queue, sizes
from earmark.accounts.roles import Role
from earmark.web.desk_keys import REVIEW, TRANSCRIBE, grouped, keys_of, pressed
from earmark.web.naming import QUALITIES, WAITS_FOR, WHY, name_of
from earmark.web.places import Place, in_collection, page, part
from earmark.web.templatetags.display import DOUBTS

SPEEDS = (0.5, 0.6, 0.75, 0.9, 1, 1.25, 1.5, 1.75, 2)
ANY_ID = 0


@in_collection(Role.ANNOTATOR)
def desk(request: HttpRequest, place: Place) -> HttpResponse:
    """What the person did today, what came back to them, what waits."""
    found = desk_of(place.collection, place.person)
    rounds = open_rounds(place.collection)
    context = {
        "desk": found,
        "rounds": rounds,
        "next_url": _next_url(found),
        "returned": [(one, name_of(one.returned_code, REASONS)) for one in found.returned],
        "sizes": _sizes(place) if place.is_reviewer else None,
    }
    return page(request, place, "web/desk.html", context, section="desk")


@in_collection(Role.ANNOTATOR)
def desk_studio(request: HttpRequest, place: Place) -> HttpResponse:
    """Whether Label Studio answers: asked after the page is there, so that the page never waits for it."""
    url = settings.EARMARK.label_studio_url
    return part(request, place, "web/parts/desk_studio.html", {"is_there": is_answering(url)})


@in_collection(Role.ANNOTATOR)
def desk_type(request: HttpRequest, place: Place) -> HttpResponse:
    """Transcribe here, clip after clip, without Label Studio."""
    return _bench(request, place, TRANSCRIBE, section="desk")


@in_collection(Role.REVIEWER)
def review(request: HttpRequest, place: Place) -> HttpResponse:
    """Decide about clips whose answers disagree, or that somebody should look at again."""
    return _bench(request, place, REVIEW, section="review")


def _next_url(found: Desk) -> str | None:
    """Where the person goes on in Label Studio; None where nothing waits for them there."""
    first = next(iter(found.waiting.passes), None)
    if first is None:
        return None
    own = found.annotator
    return queue_url(own, first.round) if own and first.annotator_id == own.pk else project_url(first.round)


def _sizes(place: Place) -> dict[str, int]:
    return {queue.value: number for queue, number in sizes(place.collection).items()}


def _bench(request: HttpRequest, place: Place, mode: str, *, section: str) -> HttpResponse:
    """The page both kinds of work share; its script asks REST for everything that is about one clip."""
    counted = _sizes(place) if mode == REVIEW else {}
    asked = request.GET.get("queue", "")
    queue = asked if asked in set(Queue) else _fullest(counted)
    told = {
        "mode": mode,
        "queue": queue,
        "first": request.GET.get("clip", ""),
        "keys": pressed(mode),
        "speeds": SPEEDS,
        "doubts": DOUBTS,
        "idle_seconds": plan_of(place.collection).idle_seconds,
        "urls": _urls(place, mode),
        "words": _words(),
        "reasons": {code: str(name) for code, name in REASONS.items()},
        "qualities": {code: str(name) for code, name in QUALITIES.items()},
        "waits_for": {code: str(name) for code, name in WAITS_FOR.items()},
        "why": {code: str(name) for code, name in WHY.items()},
    }
    context = {
        "mode": mode,
        "is_review": mode == REVIEW,
        "queue": queue,
        "sizes": counted,
        "told": told,
        "legend": grouped(mode),
        "caps": {key.action: key.caps[0] for key in keys_of(mode)},
        "reasons": list(enumerate(REASONS.items(), start=1)),
        "qualities": [(one.key, one.code, QUALITIES[one.code]) for one in CHOICES],
        "speeds": SPEEDS,
    }
    return page(request, place, "web/bench.html", context, section=section)


def _fullest(counted: dict[str, int]) -> str:
    """Adjudication comes first, where something waits there."""
    first, second = Queue.ADJUDICATION.value, Queue.REVIEW.value
    return second if counted and not counted[first] and counted[second] else first


def _urls(place: Place, mode: str) -> dict[str, str]:
    slug = place.collection.slug
    names = (
        ("api:review-queue", "api:review", "api:review-draft", "api:review-decisions")
        if mode == REVIEW
        else ("api:desk", "api:pass", "api:pass-draft", "api:pass-answers")
    )
    queue, one, draft, send = names
    return {
        "queue": reverse(queue, args=[slug]),
        "one": reverse(one, args=[ANY_ID]),
        "draft": reverse(draft, args=[ANY_ID]),
        "send": reverse(send, args=[ANY_ID]),
        "clip": reverse("web:clip", args=[slug, ANY_ID]),
    }


def _words() -> dict[str, Any]:
    """What the script of the page says."""
    return {
        "accept": _("Accept"),
        "correct": _("Accept as corrected"),
        "submit": _("Submit"),
        "heard": _("heard"),
        "silent": _("(nothing)"),
        "skipped": _("skipped"),
        "blind": _("from an empty box"),
        "restored": _("Your unfinished text is back"),
        "saved": _("Draft saved"),
        "unsaved": _("Not saved: no connection"),
        "round": _("Round {n}"),
        "seconds": _("{n} s"),
        "position": _("{n} decided here"),
        "sure": _("{percent} sure"),
        "no_time": _("no times: this model has no aligner"),
        "decided": {
            "accept": _("{who} accepted it: “{text}”"),
            "correct": _("{who} corrected it to “{text}”"),
            "return": _("{who} returned it: {reason}"),
            "unintelligible": _("{who} called it unintelligible"),
        },
        "answered": _("A new answer came in while you looked at it."),
        "taken": _("Somebody else has answered it, or it was withdrawn. What you wrote is still in the box."),
        "done": {
            "accept": _("Accepted"),
            "correct": _("Corrected"),
            "return": _("Returned"),
            "unintelligible": _("Called unintelligible"),
            "submit": _("Submitted"),
            "skip": _("Skipped"),
        },
        "returned": _("A reviewer returned it: {reason}"),
        "away": _("No connection. What you write is kept here; try again in a moment."),
        "refused": _("The site refused it ({status}). Reload the page and try again."),
        "nothing_to_return": _(
            "None of the answers can go back to its annotator: correct the text yourself."
        ),
        "play": _("Play"),
        "pause": _("Pause"),
        "seen": _("decided already"),
        "today": _("{done} min of {target} min today"),
        "today_done": _("{done} min today"),
    }
