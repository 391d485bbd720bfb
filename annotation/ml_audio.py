"""Where the audio of a task that is not ours may come from, and fetching it: nothing else is ever asked for.

Our own signed links are read from the storage. What Label Studio itself keeps is asked for with our key, at the
addresses it keeps files under. Other servers are asked only where EARMARK_AUDIO_HOSTS names them; a redirect is held
against the same rules. What comes is bounded in size and time, and decoded in the limited child process only.
"""

import re
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from annotation.label_studio import Key
from earmark.corpus import audio_links
from earmark.recognition.live_hearing import MAX_BYTES
from earmark.speech.errors import EarmarkError

LONGEST_ADDRESS = 4_000
MOST_REDIRECTS = 3
PATIENCE = httpx.Timeout(10.0, connect=5.0)
_PORTS = {"http": 80, "https": 443}
_CLIP = re.compile(r"/audio/clips/(\d{1,18})\.flac")
_KEPT = re.compile(
    r"/(data/(upload|local-files)/|storage-data/uploaded/|(tasks|projects)/\d+/(resolve|presign)/)"
)
"""Where Label Studio serves files from. Nothing else of it is to be had with our key."""


@dataclass(frozen=True)
class OurClip:
    """A clip of the corpus, by a signed link of ours."""

    clip_id: int


@dataclass(frozen=True)
class Outside:
    """A file to be fetched; `with_key`: from our Label Studio."""

    url: str
    with_key: bool


def place_of(address: str) -> OurClip | Outside:
    """What `address` of a task's data leads to, if it may be asked for.

    Raises EarmarkError `annotation:ml:audio-not-allowed`, `corpus:link:invalid` or `:expired`.
    """
    parts = _parts(address)
    site, studio = urlsplit(settings.EARMARK.site_url), urlsplit(settings.EARMARK.label_studio_url)
    public = urlsplit(settings.EARMARK.label_studio_public_url)
    if parts.netloc == site.netloc and (match := _CLIP.fullmatch(parts.path)):
        return _our_clip(int(match[1]), parts.query)
    if not parts.netloc or parts.netloc in (studio.netloc, public.netloc):
        if not _KEPT.match(parts.path) or ".." in unquote(unquote(parts.path)):
            raise _not_allowed(address, _("Label Studio keeps no audio there"))
        query = f"?{parts.query}" if parts.query else ""
        return Outside(f"{studio.scheme}://{studio.netloc}{parts.path}{query}", with_key=True)
    if not _is_named(parts.scheme, parts.hostname or "", parts.port):
        raise _not_allowed(address, _("its server is not among EARMARK_AUDIO_HOSTS"))
    return Outside(address, with_key=False)


def clip_of(address: str) -> int | None:
    """The clip of a link that we once signed, also where it has expired; None for any other address."""
    try:
        place = place_of(address)
    except EarmarkError as error:
        if error.error_id != "corpus:link:expired":
            return None
        match = _CLIP.fullmatch(urlsplit(address).path)
        return int(match[1]) if match else None
    return place.clip_id if isinstance(place, OurClip) else None


def fetch(place: Outside, *, deadline: float, transport: httpx.BaseTransport | None = None) -> IO[bytes]:
    """The file, open at its beginning and gone when it is closed. `deadline`: on `time.monotonic`.

    Raises EarmarkError `annotation:ml:audio-missing`, `:audio-too-large`, `:audio-unreachable`,
    `:audio-not-allowed` for a redirect to where nothing may come from.
    """
    with ExitStack() as on_failure:
        copy = on_failure.enter_context(tempfile.TemporaryFile(prefix="earmark-ml-"))
        for _hop in range(MOST_REDIRECTS + 1):
            onward = _once(place, copy.write, deadline, transport)
            if onward is None:
                copy.seek(0)
                on_failure.pop_all()  # the caller closes it
                return copy
            place = _onward(place, onward)
        raise _missing(place.url, _("it redirects for ever"))


def _once(
    place: Outside, write: Callable[[bytes], object], deadline: float, transport: httpx.BaseTransport | None
) -> str | None:
    """Write the file; where it redirects to instead."""
    auth = None
    if place.with_key:
        auth = Key(settings.EARMARK.label_studio_api_key, settings.EARMARK.label_studio_url)
    try:
        with (
            httpx.Client(timeout=PATIENCE, trust_env=False, transport=transport) as client,
            client.stream("GET", place.url, auth=auth) as answer,
        ):
            if answer.is_redirect:
                return answer.headers.get("Location", "")
            if not answer.is_success:
                raise _missing(place.url, str(answer.status_code))
            _write_all(place, answer, write, deadline)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(place.url, type(error).__name__) from error
    return None


def _write_all(
    place: Outside, answer: httpx.Response, write: Callable[[bytes], object], deadline: float
) -> None:
    size = 0
    for block in answer.iter_bytes():
        size += len(block)
        if size > MAX_BYTES:
            raise EarmarkError(
                "annotation:ml:audio-too-large",
                _("%(url)s has more than %(most)s MB.")
                % {"url": _shown(place.url), "most": f"{MAX_BYTES / 1e6:.0f}"},
                _("Convert it to FLAC or MP3, or import it as a recording."),
            )
        if time.monotonic() > deadline:
            raise _unreachable(place.url, _("it came too slowly"))
        write(block)


def _onward(place: Outside, location: str) -> Outside:
    onward = place_of(urljoin(place.url, location))
    if isinstance(onward, OurClip):
        raise _not_allowed(location, _("a redirect leads to a clip"))
    return onward


def _our_clip(clip_id: int, query: str) -> OurClip:
    signature = dict(part.partition("=")[::2] for part in query.split("&")).get("sig", "")
    audio_links.check(clip_id, signature)
    return OurClip(clip_id)


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise _not_allowed(address, str(error)) from error
    is_relative = not parts.scheme and not parts.netloc and address.startswith("/")
    if len(address) > LONGEST_ADDRESS or not (is_relative or (parts.scheme in _PORTS and parts.hostname)):
        raise _not_allowed(address, _("it is no http(s) address"))
    if parts.username is not None or parts.password is not None or port == 0 or "\\" in address:
        raise _not_allowed("…", _("an address carries no name and no password"))
    return parts


def _is_named(scheme: str, host: str, port: int | None) -> bool:
    """Whether EARMARK_AUDIO_HOSTS names the server: `host` for its usual ports, or `host:port`."""
    usual, host = _PORTS[scheme], f"[{host}]" if ":" in host else host
    named = {one.lower() for one in settings.EARMARK.audio_hosts}
    return f"{host}:{port or usual}" in named or (port in (None, usual) and host in named)


def _shown(url: str) -> str:
    """The address without its query: that may hold a key."""
    return url.partition("?")[0][:200]


def _not_allowed(address: str, why: str) -> EarmarkError:
    return EarmarkError(
        "annotation:ml:audio-not-allowed",
        _("%(url)s is not fetched: %(why)s.") % {"url": _shown(address), "why": why},
        _(
            "Keep the audio in Label Studio, use links to clips, or have its server added to EARMARK_AUDIO_HOSTS."
        ),
    )


def _missing(url: str, why: str) -> EarmarkError:
    return EarmarkError(
        "annotation:ml:audio-missing",
        _("There is no audio at %(url)s (%(why)s).") % {"url": _shown(url), "why": why},
        _("Check the task's data in Label Studio."),
    )


def _unreachable(url: str, why: str) -> EarmarkError:
    return EarmarkError(
        "annotation:ml:audio-unreachable",
        _("%(url)s does not answer (%(why)s).") % {"url": _shown(url), "why": why},
        _("See that its server runs; Label Studio asks again when the task is opened."),
    )
