"""One clip over HTTP, as sound and as a picture of it: for Label Studio's player and for our own pages."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils.cache import patch_cache_control
from django.utils.http import parse_etags
from django.utils.translation import gettext as _

from earmark.corpus import audio_links, stored
from earmark.corpus.access import role_of
from earmark.corpus.byte_ranges import UnsatisfiableError, requested
from earmark.corpus.forms import AUDIO, PEAKS, SPECTROGRAM, Form, Served, served
from earmark.corpus.models import Clip
from earmark.speech.errors import EarmarkError

METHODS = ("GET", "HEAD", "OPTIONS")
HELD_BY_BROWSERS_SECONDS = 3600
STATUS = {
    "corpus:link:missing": 403,
    "corpus:link:invalid": 403,
    "corpus:link:expired": 403,
    "corpus:clip:unknown": 404,
    "corpus:audio:no-such-form": 400,
    "corpus:storage:unreachable": 503,
}

View = Callable[[HttpRequest, int], HttpResponse]


def open_to_label_studio(view: View) -> View:
    """Put the headers that let Label Studio's page read it on every answer, also where something failed unforeseen."""

    @wraps(view)
    def answer(request: HttpRequest, clip_id: int) -> HttpResponse:
        def refusing(request: HttpRequest) -> HttpResponse:
            try:
                return view(request, clip_id)
            except EarmarkError as error:
                return _refusal(error)

        response = cast(HttpResponse, convert_exception_to_response(refusing)(request))
        place = urlsplit(settings.EARMARK.label_studio_public_url)
        response["Access-Control-Allow-Origin"] = f"{place.scheme}://{place.netloc}"
        response["Access-Control-Expose-Headers"] = "Accept-Ranges, Content-Length, Content-Range, ETag"
        response["Accept-Ranges"] = "bytes"
        return response

    return answer


def _refusal(error: EarmarkError) -> HttpResponse:
    body = {"error_id": error.error_id, "message": error.message, "hint": error.hint}
    response = JsonResponse(body, status=STATUS.get(error.error_id, 500))
    response["Cache-Control"] = "no-store"
    return response


@open_to_label_studio
def clip_audio(request: HttpRequest, clip_id: int) -> HttpResponse:
    """One clip, 16 kHz mono, as FLAC or with `?as=opus` as Opus: for a signed link, or for a signed-in member."""
    wanted = request.GET.get("as", "flac")
    if wanted not in AUDIO:
        raise EarmarkError(
            "corpus:audio:no-such-form",
            _("A clip is not to be had as %(form)s.") % {"form": repr(wanted)},
            _("Ask for it as flac or as opus."),
        )
    return _answer(request, clip_id, AUDIO[wanted])


@open_to_label_studio
def clip_peaks(request: HttpRequest, clip_id: int) -> HttpResponse:
    """The envelope of the clip's waveform, at most 2,000 points, as the JSON of BBC audiowaveform."""
    return _answer(request, clip_id, PEAKS)


@open_to_label_studio
def clip_spectrogram(request: HttpRequest, clip_id: int) -> HttpResponse:
    """The clip's log-mel spectrogram, 0 to 8 kHz, as a grey PNG."""
    return _answer(request, clip_id, SPECTROGRAM)


def _answer(request: HttpRequest, clip_id: int, form: Form) -> HttpResponse:
    if request.method == "OPTIONS":
        return _preflight()
    if request.method not in METHODS:
        return HttpResponseNotAllowed(METHODS)
    clip, margin = _permitted(request, clip_id)
    return _send(request, form, served(clip, form, margin=margin))


def _preflight() -> HttpResponse:
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = ", ".join(METHODS)
    response["Access-Control-Allow-Headers"] = "Range, If-Range, If-None-Match"
    response["Access-Control-Max-Age"] = "86400"
    response["Allow"] = ", ".join(METHODS)
    return response


def _permitted(request: HttpRequest, clip_id: int) -> tuple[Clip, float]:
    """The clip, if the request may hear it, and the margin it may hear around it, in seconds.

    A link has its margin signed into it; members ask for `?margin=2`, the only one there is. Strangers do not learn
    which clips there are.
    """
    clips = Clip.objects.select_related("recording", "collection")
    signature = request.GET.get("sig")
    if signature:
        margin = audio_links.check(clip_id, signature)
        clip = clips.filter(pk=clip_id).first()
        if clip is None:
            message = _("Clip %(id)s is no longer there.") % {"id": clip_id}
            raise EarmarkError("corpus:clip:unknown", message, _("Sync the round to drop its task."))
        return clip, margin
    clip = clips.filter(pk=clip_id).first() if request.user.is_authenticated else None
    if clip is None or role_of(request.user, clip.collection) is None:
        raise EarmarkError(
            "corpus:link:missing",
            _("Clip %(id)s is not open to you.") % {"id": clip_id},
            _("Sign in as a member of its collection, or use a signed link."),
        )
    return clip, audio_links.MARGIN_SECONDS if request.GET.get("margin") == "2" else 0.0


def _send(request: HttpRequest, form: Form, kept: Served) -> HttpResponse:
    """All of it, the part asked for, or only that the holder's copy is still good.

    The tag is the name, which follows from the recording's bytes, the stretch and the form: nothing has to be read.
    """
    etag = f'"{hashlib.sha256(f"{kept.name} {kept.size}".encode()).hexdigest()[:32]}"'
    held = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in held or etag in {one.removeprefix("W/") for one in held}:
        response = HttpResponse(status=304)
    else:
        response = _whole_or_part(request, form, kept, etag)
    response["ETag"] = etag
    patch_cache_control(response, private=True, max_age=HELD_BY_BROWSERS_SECONDS)
    return response


def _whole_or_part(request: HttpRequest, form: Form, kept: Served, etag: str) -> HttpResponse:
    is_current = request.headers.get("If-Range", etag) == etag
    asked = request.headers.get("Range") if request.method == "GET" and is_current else None
    try:
        span = requested(asked, kept.size)
    except UnsatisfiableError:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{kept.size}"})
    if request.method == "HEAD":
        return HttpResponse(content_type=form.content_type, headers={"Content-Length": str(kept.size)})
    if span is None:
        data = stored.part(kept.name, first=0, last=kept.size - 1)
        return HttpResponse(data, content_type=form.content_type)
    data = stored.part(kept.name, first=span.first, last=span.last)
    headers = {"Content-Range": f"bytes {span.first}-{span.last}/{kept.size}"}
    return HttpResponse(data, status=206, content_type=form.content_type, headers=headers)
