"""The audio of a clip over HTTP: who may hear it, in what parts, and what Label Studio's page may read."""

import io
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import soundfile
from django.conf import settings
from django.test import Client
from django.urls import reverse

from earmark.accounts.models import Role, User
from earmark.corpus import audio_links
from earmark.corpus.audio_links import clip_url
from earmark.corpus.models import Clip
from earmark.corpus.services import add_member
from earmark.speech.audio import read_flac
from tests.corpus import world
from tests.speech.audio_files import write

pytestmark = pytest.mark.django_db


@pytest.fixture
def clip(tmp_path) -> Clip:
    write(tmp_path / "in" / "a.ogg", 1.5, rate=32_000)
    world.bring_in(world.collection(), tmp_path / "in")
    return Clip.objects.get()


def signed(clip: Clip, lifetime_seconds: float = 60) -> str:
    address = urlsplit(clip_url(clip.pk, lifetime_seconds=lifetime_seconds))
    assert f"{address.scheme}://{address.netloc}" == settings.EARMARK.site_url
    return f"{address.path}?{address.query}"


def person(name: str, **fields: object) -> User:
    return User.objects.create_user(name, f"{name}@example.org", "x", **fields)


def test_a_signed_link_plays_without_a_session(client: Client, clip: Clip) -> None:
    answer = client.get(signed(clip))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "audio/flac"
    assert int(answer["Content-Length"]) == len(answer.content)
    assert len(read_flac(answer.content)) == round(clip.seconds * 16_000)
    assert "Vary" not in answer or "Cookie" not in answer["Vary"]


def test_parameters_we_do_not_know_are_let_be(client: Client, clip: Clip) -> None:
    assert client.get(f"{signed(clip)}&lsref=1").status_code == 200
    assert parse_qs(urlsplit(signed(clip)).query).keys() == {"sig"}


def test_the_same_bytes_come_each_time_and_from_the_storage(client: Client, clip: Clip, monkeypatch) -> None:
    first = client.get(signed(clip))
    monkeypatch.setattr("earmark.corpus.samples.decoder", lambda: pytest.fail("decoded again"))
    second = client.get(signed(clip))
    assert second.content == first.content
    assert second["ETag"] == first["ETag"]
    assert not first["ETag"].startswith("W/")


def test_opus_is_made_of_the_same_samples_and_has_a_tag_of_its_own(client: Client, clip: Clip) -> None:
    flac, opus = client.get(signed(clip)), client.get(f"{signed(clip)}&as=opus")
    assert opus["Content-Type"] == "audio/ogg; codecs=opus"
    heard, rate = soundfile.read(io.BytesIO(opus.content))
    assert (rate, len(heard)) == (16_000, len(read_flac(flac.content)))
    assert opus["ETag"] != flac["ETag"]
    part = client.get(f"{signed(clip)}&as=opus", headers={"Range": "bytes=0-3", "If-Range": opus["ETag"]})
    assert (part.status_code, part.content) == (206, b"OggS")
    refused = client.get(f"{signed(clip)}&as=mp3")
    assert (refused.status_code, refused.json()["error_id"]) == (400, "corpus:audio:no-such-form")


def test_a_link_opens_the_pictures_of_its_clip_too(client: Client, clip: Clip) -> None:
    signature = parse_qs(urlsplit(signed(clip)).query)["sig"][0]
    peaks = client.get(reverse("corpus:clip-peaks", args=[clip.pk]), {"sig": signature})
    assert peaks.json()["length"] == round(clip.seconds * 1_000)
    assert max(peaks.json()["data"]) == pytest.approx(0.3 * 128, abs=2)
    picture = client.get(reverse("corpus:clip-spectrogram", args=[clip.pk]), {"sig": signature})
    assert (picture["Content-Type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    for name in ("clip-peaks", "clip-spectrogram"):
        assert client.get(reverse(f"corpus:{name}", args=[clip.pk])).status_code == 403
        assert (
            client.get(reverse(f"corpus:{name}", args=[clip.pk + 1]), {"sig": signature}).status_code == 403
        )


def test_an_answer_without_bytes_reads_none(client: Client, clip: Clip, monkeypatch) -> None:
    etag = client.get(signed(clip))["ETag"]
    monkeypatch.setattr("earmark.corpus.stored.part", lambda *_, **__: pytest.fail("read"))
    assert client.get(signed(clip), headers={"If-None-Match": etag}).status_code == 304
    assert client.head(signed(clip)).status_code == 200
    assert client.get(signed(clip), headers={"Range": "bytes=9999999-"}).status_code == 416


def test_a_link_ends_with_its_time(client: Client, clip: Clip) -> None:
    answer = client.get(signed(clip, lifetime_seconds=-1))
    assert answer.status_code == 403
    assert answer.json()["error_id"] == "corpus:link:expired"


def test_a_link_opens_its_own_clip_only_and_cannot_be_stretched(client: Client, clip: Clip) -> None:
    path = reverse("corpus:clip-audio", args=[clip.pk])
    good = audio_links.sign(clip.pk, expires=int(time.time()) + 60)
    expires, signature = good.split(".", 1)
    forged = [
        audio_links.sign(clip.pk + 1, expires=int(time.time()) + 60),
        f"{int(expires) + 9999}.{signature}",
        f"{expires}.",
        expires,
        "x",
        "..",
        good[:-1],
        f"{good}.",
    ]
    assert client.get(path, {"sig": good}).status_code == 200
    for one in forged:
        answer = client.get(path, {"sig": one})
        assert (answer.status_code, answer.json()["error_id"]) == (403, "corpus:link:invalid"), one


def test_the_secret_key_signs(client: Client, clip: Clip, settings) -> None:
    link = signed(clip)
    settings.SECRET_KEY = "another"
    audio_links._signer.key = "another"
    try:
        assert client.get(link).status_code == 403
    finally:
        audio_links._signer.key = settings.SECRET_KEY


@pytest.mark.parametrize("role", list(Role))
def test_every_member_may_listen_in_a_session(client: Client, clip: Clip, role: Role) -> None:
    member = person("member")
    add_member(collection=clip.collection, user=member, role=role)
    client.force_login(member)
    assert client.get(reverse("corpus:clip-audio", args=[clip.pk])).status_code == 200


def test_strangers_learn_nothing(client: Client, clip: Clip) -> None:
    here, nowhere = (reverse("corpus:clip-audio", args=[pk]) for pk in (clip.pk, clip.pk + 1000))
    others = person("other")
    add_member(collection=world.collection("elsewhere"), user=others, role=Role.ADMIN)
    for someone in (None, others):
        if someone:
            client.force_login(someone)
        answers = [client.get(path) for path in (here, nowhere)]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert {answer.json()["error_id"] for answer in answers} == {"corpus:link:missing"}


def test_a_deleted_clip_is_gone_for_its_link(client: Client, clip: Clip) -> None:
    link = signed(clip)
    clip.delete()
    answer = client.get(link)
    assert (answer.status_code, answer.json()["error_id"]) == (404, "corpus:clip:unknown")


def test_parts(client: Client, clip: Clip) -> None:
    link = signed(clip)
    whole = client.get(link).content
    part = client.get(link, headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part["Content-Range"] == f"bytes 10-19/{len(whole)}"
    assert part["Accept-Ranges"] == "bytes"
    assert part["Content-Type"] == "audio/flac"
    assert part.content == whole[10:20]
    assert client.get(link, headers={"Range": "bytes=-7"}).content == whole[-7:]
    assert client.get(link, headers={"Range": "bytes=0-"}).status_code == 206
    assert client.get(link, headers={"Range": "bytes=0-1,4-5"}).content == whole


def test_a_part_outside_is_refused_with_the_size(client: Client, clip: Clip) -> None:
    link = signed(clip)
    size = len(client.get(link).content)
    answer = client.get(link, headers={"Range": f"bytes={size}-"})
    assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{size}")


def test_a_copy_that_is_still_good_is_not_sent_again(client: Client, clip: Clip) -> None:
    link = signed(clip)
    etag = client.get(link)["ETag"]
    for held in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = client.get(link, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert client.get(link, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_part_of_another_version_is_not_mixed_in(client: Client, clip: Clip) -> None:
    link = signed(clip)
    etag = client.get(link)["ETag"]
    assert client.get(link, headers={"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    for other in ('"other"', f"W/{etag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert client.get(link, headers={"Range": "bytes=0-1", "If-Range": other}).status_code == 200


def test_head_tells_the_size_and_sends_nothing(client: Client, clip: Clip) -> None:
    size = len(client.get(signed(clip)).content)
    answer = client.head(signed(clip), headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content, int(answer["Content-Length"])) == (200, b"", size)


def test_label_studios_page_may_read_every_answer(client: Client, clip: Clip, settings) -> None:
    link, path = signed(clip), reverse("corpus:clip-audio", args=[clip.pk])
    etag = client.get(link)["ETag"]
    answers = {
        200: client.get(link),
        206: client.get(link, headers={"Range": "bytes=0-1"}),
        304: client.get(link, headers={"If-None-Match": etag}),
        403: client.get(path),
        405: client.post(link),
        416: client.get(link, headers={"Range": "bytes=9999999-"}),
        204: client.options(path, headers={"Origin": "x", "Access-Control-Request-Method": "GET"}),
    }
    Clip.objects.filter(pk=clip.pk).delete()
    answers[404] = client.get(link)
    origin = settings.EARMARK.label_studio_public_url
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer["Access-Control-Allow-Origin"] == origin
        assert "Content-Range" in answer["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer
    assert "Range" in answers[204]["Access-Control-Allow-Headers"]
    assert set(answers[204]["Access-Control-Allow-Methods"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_lost_recording_is_an_error_that_says_so(client: Client, clip: Clip) -> None:
    link = signed(clip)
    clip.recording.file.storage.delete(clip.recording.file.name)
    answer = client.get(link)
    assert answer.status_code == 500
    assert answer.json()["error_id"] == "corpus:audio:missing"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Access-Control-Allow-Origin"]


def test_an_unforeseen_failure_may_be_read_too(client: Client, clip: Clip, monkeypatch, settings) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("earmark.corpus.views.served", break_down)
    client.raise_request_exception = False
    answer = client.get(signed(clip))
    assert answer.status_code == 500
    assert answer["Access-Control-Allow-Origin"] == settings.EARMARK.label_studio_public_url
