"""Hear it live: speak or give a file, and see what the recogniser hears."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from earmark.accounts.roles import Role
from earmark.recognition.live import MODES
from earmark.recognition.live_hearing import MAX_BYTES, MAX_SECONDS
from earmark.recognition.models import Alias
from earmark.web.naming import FLAGS
from earmark.web.places import Place, in_collection, page
from earmark.web.security import with_microphone
from earmark.web.templatetags.display import DOUBTS, HIGH_CONFIDENCE, LOW_CONFIDENCE


@in_collection(Role.VIEWER)
def listen(request: HttpRequest, place: Place) -> HttpResponse:
    held = {
        alias.name: alias.model.name
        for alias in Alias.objects.filter(collection=place.collection).select_related("model")
    }
    context = {
        "modes": [(mode, _languages()[mode]) for mode in MODES],
        "models": [
            (name, label, held.get(name, "")) for name, label in Alias.Name.choices if name in held
        ] or [(Alias.Name.CHAMPION.value, Alias.Name.CHAMPION.label, "")],
        "megabytes": round(MAX_BYTES / 1e6),
        "minutes": round(MAX_SECONDS / 60),
        "doubts": _doubts(),
        "told": {
            "words": _words(),
            "flags": {code: str(name) for code, name in FLAGS.items()},
            "languages": _languages(),
            "doubts": DOUBTS,
            "confidence": [LOW_CONFIDENCE, HIGH_CONFIDENCE],
            "most_bytes": MAX_BYTES,
            "most_seconds": MAX_SECONDS,
        },
    }  # fmt: skip
    return with_microphone(page(request, place, "web/listen.html", context, section="listen"))


def _languages() -> dict[str, str]:
    return {"auto": _("Automatic"), "en": _("English"), "yue": _("Cantonese"), "zh": _("Mandarin")}


def _doubts() -> list[tuple[int, str]]:
    """The levels of doubt, each with the probabilities it stands for."""
    told, above = [], 100
    for least, level in DOUBTS:
        low = round(100 * least)
        told.append((level, f"{low}–{above}%"))
        above = low
    return told


def _words() -> dict[str, Any]:
    """What the script of the page says."""
    return {
        "recorded": _("recording"),
        "too_large": _("{name} has {size} MB; at most {most} MB are heard here."),
        "empty": _("{name} is empty."),
        "denied": _("The browser may not use the microphone. Allow it in the address bar, then try again."),
        "no_microphone": _("No microphone was found."),
        "insecure": _("Browsers give the microphone only to sites with https."),
        "broken_microphone": _("The microphone could not be used: {reason}."),
        "quiet": _("Nothing is heard from the microphone yet. Is it the right one, and switched on?"),
        "sending": _("Sending… {percent}"),
        "queued": _("Waiting for the recogniser…"),
        "queued_behind": _("Waiting: the recognisers are busy with other work…"),
        "cutting": _("Looking for pauses…"),
        "hearing": _("Hearing…"),
        "hearing_clip": _("Hearing clip {n} of {all}…"),
        "stopped": _("Stopped."),
        "away": _("No connection; trying again…"),
        "gone": _("This was forgotten: what is given here is kept for an hour."),
        "refused": _("The site refused it ({status}). Reload the page and try again."),
        "unplayable": _("This browser cannot play this file; it was heard all the same."),
        "nothing": _("Nobody speaks in it."),
        "no_text": _("(nothing heard)"),
        "took": _("{audio} s heard in {took} s: {times} times as fast as it was said."),
        "slow": _("{audio} s heard in {took} s."),
        "probability": _("{percent} sure"),
        "no_time": _("no times: this model has no aligner"),
        "uncalibrated": _("not calibrated: it orders clips, and is no probability"),
        "expected": _("{percent} of it expected to be wrong"),
        "copied": _("Copied"),
        "play": _("Play"),
        "pause": _("Pause"),
    }
