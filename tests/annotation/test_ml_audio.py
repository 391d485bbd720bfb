"""Where the audio of other people's tasks may come from."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest
from django.conf import settings
from django.test import override_settings

from annotation import ml_audio
from annotation.ml_audio import OurClip, Outside, clip_of, fetch, place_of
from earmark.corpus.audio_links import clip_url
from earmark.speech.errors import EarmarkError

STUDIO = "http://studio.internal:8080"


@pytest.fixture(autouse=True)
def told() -> Iterator[None]:
    changed = replace(
        settings.EARMARK,
        site_url="https://earmark.example.org",
        label_studio_url=STUDIO,
        label_studio_public_url="https://label.example.org",
        label_studio_api_key="the-key",
        audio_hosts=("media.example.org", "files:9000"),
    )
    with override_settings(EARMARK=changed):
        yield


def refusal(address: str) -> str:
    with pytest.raises(EarmarkError) as caught:
        place_of(address)
    return caught.value.error_id


@pytest.mark.parametrize(
    ("address", "fetched"),
    [
        ("/data/upload/3/a.wav", f"{STUDIO}/data/upload/3/a.wav"),
        ("/data/local-files/?d=a/b.wav", f"{STUDIO}/data/local-files/?d=a/b.wav"),
        (
            "https://label.example.org/tasks/4/resolve/?fileuri=czM=",
            f"{STUDIO}/tasks/4/resolve/?fileuri=czM=",
        ),
        (f"{STUDIO}/storage-data/uploaded/?filepath=x", f"{STUDIO}/storage-data/uploaded/?filepath=x"),
    ],
)
def test_what_label_studio_keeps_is_asked_for_with_our_key(address: str, fetched: str) -> None:
    assert place_of(address) == Outside(fetched, with_key=True)


@pytest.mark.parametrize("address", ["https://media.example.org/a.wav?t=1", "http://files:9000/a"])
def test_named_servers_are_asked_without_it(address: str) -> None:
    assert place_of(address) == Outside(address, with_key=False)


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data/", "http://localhost/a.wav", "http://files:9001/a.wav",
        "https://evil.example.org/a.wav", "https://media.example.org:8443/a.wav", "http://media.example.org.evil/a",
        "/api/users/", "/data/upload/../../api/users/", "/data/upload/%2e%2e/api", "/data/upload/%252e%252e/api",
        "https://label.example.org/api/current-user/token", "//evil.example.org/data/upload/1/a.wav",
        "https://media.example.org@evil.example.org/a.wav", "https://user:pass@media.example.org/a.wav",
        "file:///etc/passwd", "s3://bucket/key", "data:audio/wav;base64,AAAA", "a.wav", "http://[::1/a.wav",
        "http://media.example.org:99999/a.wav", "https://media.example.org\\@evil/a", "/" + "x" * 5000,
        "https://earmark.example.org/api/v1/me/", "https://earmark.example.org/audio/clips/7/peaks.json?sig=1.x",
    ],
)  # fmt: skip
def test_nothing_else_is_asked(address: str) -> None:
    assert refusal(address) == "annotation:ml:audio-not-allowed"


def test_our_links_open_their_clip_and_no_other() -> None:
    link = clip_url(7, lifetime_seconds=60)
    assert place_of(link) == OurClip(7)
    assert place_of(clip_url(7, lifetime_seconds=60, margin=2.0)) == OurClip(7)
    assert refusal(link.replace("/7.flac", "/8.flac")) == "corpus:link:invalid"
    assert refusal(link.partition("?")[0]) == "corpus:link:invalid"
    assert refusal(clip_url(7, lifetime_seconds=-1)) == "corpus:link:expired"


def test_an_expired_link_still_says_which_clip_it_was() -> None:
    assert clip_of(clip_url(7, lifetime_seconds=-1)) == 7
    for other in (clip_url(7, lifetime_seconds=9)[:-2], "/data/upload/1/a.wav", "", "nonsense"):
        assert clip_of(other) is None


Handler = Callable[[httpx.Request], httpx.Response]


def got(place: Outside, handler: Handler, *, seconds: float = 30) -> bytes:
    with fetch(place, deadline=time.monotonic() + seconds, transport=httpx.MockTransport(handler)) as file:
        return file.read()


def failing(place: Outside, handler: Handler, **options: float) -> EarmarkError:
    with pytest.raises(EarmarkError) as caught:
        got(place, handler, **options)
    return caught.value


def test_the_key_goes_to_label_studio_only() -> None:
    seen: list[tuple[str, str | None]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("Authorization")))
        if request.url.host == "studio.internal":
            return httpx.Response(302, headers={"Location": "https://media.example.org/a.wav?signed=1"})
        return httpx.Response(200, content=b"RIFF")

    assert got(Outside(f"{STUDIO}/tasks/4/resolve/?fileuri=x", with_key=True), handler) == b"RIFF"
    assert seen == [("studio.internal", "Token the-key"), ("media.example.org", None)]


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/", "http://localhost:5432/", "/api/users/", "file:///etc/passwd", ""]
)
def test_a_redirect_to_elsewhere_is_not_followed(location: str) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": location})

    error = failing(Outside(f"{STUDIO}/data/upload/1/a.wav", with_key=True), handler)
    assert error.error_id in ("annotation:ml:audio-not-allowed", "annotation:ml:audio-missing")
    assert {httpx.URL(one).host for one in asked} == {"studio.internal"}
    assert {httpx.URL(one).path for one in asked} == {"/data/upload/1/a.wav"}


def test_a_redirect_that_never_ends_does() -> None:
    error = failing(
        Outside("https://media.example.org/a", with_key=False),
        lambda request: httpx.Response(302, headers={"Location": "https://media.example.org/b"}),
    )
    assert error.error_id == "annotation:ml:audio-missing"


def test_too_much_and_too_slow_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Outside("https://media.example.org/a?secret=1", with_key=False)
    monkeypatch.setattr(ml_audio, "MAX_BYTES", 10)
    too_large = failing(place, lambda request: httpx.Response(200, content=b"x" * 11))
    assert too_large.error_id == "annotation:ml:audio-too-large"
    assert "secret" not in str(too_large)
    slow = failing(place, lambda request: httpx.Response(200, content=b"x"), seconds=-1)
    assert slow.error_id == "annotation:ml:audio-unreachable"


def test_a_server_that_is_away_or_has_nothing_is_named() -> None:
    place = Outside("https://media.example.org/a", with_key=False)

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert failing(place, away).error_id == "annotation:ml:audio-unreachable"
    gone = failing(place, lambda request: httpx.Response(404))
    assert (gone.error_id, "404" in str(gone)) == ("annotation:ml:audio-missing", True)
