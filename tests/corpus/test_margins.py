"""What is heard around a clip: as much as the recording has, half as loud, for who may hear it."""

from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from earmark.accounts.models import Role, User
from earmark.corpus import margins
from earmark.corpus.audio_links import MARGIN_SECONDS, clip_url
from earmark.corpus.margins import LOUDNESS, faded, place_in_wide, wide_stretch
from earmark.corpus.models import Clip, Recording
from earmark.corpus.services import add_member
from earmark.speech.audio import SAMPLE_RATE, read_flac
from earmark.speech.cutting import Stretch
from tests.corpus import world

SECONDS = 9


@pytest.fixture
def clip(tmp_path: Path, db: None) -> Clip:
    """Seconds 4 to 6 of a recording whose every second is another loudness."""
    (tmp_path / "in").mkdir()
    levels = np.repeat(np.linspace(0.1, 0.9, SECONDS), SAMPLE_RATE)
    tone = levels * np.sin(np.arange(len(levels)) * 0.4)
    soundfile.write(tmp_path / "in" / "a.wav", tone.astype(np.float32), SAMPLE_RATE, subtype="PCM_16")
    world.bring_in(world.collection(), tmp_path / "in")
    recording = Recording.objects.get()
    recording.clips.all().delete()
    return world.clip(recording.collection, recording=recording, start=4.0, seconds=2.0)


def signed(clip: Clip, **options: float) -> str:
    address = urlsplit(clip_url(clip.pk, lifetime_seconds=60, **options))
    return f"{address.path}?{address.query}"


def test_a_link_with_a_margin_plays_the_clip_in_its_place(client: Client, clip: Clip) -> None:
    exact = read_flac(client.get(signed(clip)).content)
    wide = read_flac(client.get(signed(clip, margin=2.0)).content)
    assert (len(exact), len(wide)) == (2 * SAMPLE_RATE, 6 * SAMPLE_RATE)
    np.testing.assert_array_equal(wide[2 * SAMPLE_RATE : 4 * SAMPLE_RATE], exact)
    before, within = np.abs(wide[: 2 * SAMPLE_RATE]).max(), np.abs(exact).max()
    assert before == pytest.approx(0.4 * LOUDNESS, abs=0.01)
    assert within == pytest.approx(0.6, abs=0.01)
    assert place_in_wide(clip, 2.0) == (2.0, 4.0)


def test_the_margin_is_part_of_the_signature(client: Client, clip: Clip) -> None:
    wide, exact = signed(clip, margin=2.0), signed(clip)
    assert len(client.get(f"{exact}&margin=2").content) == len(client.get(exact).content)
    expires, thousandths, mac = wide.partition("sig=")[2].split(".")
    forged = f"{wide.partition('sig=')[0]}sig={expires}.9000.{mac}"
    assert thousandths == "2000"
    assert client.get(forged).status_code == 403
    assert client.get(wide).headers["ETag"] != client.get(exact).headers["ETag"]


def test_parts_and_pictures_come_of_the_wide_one_too(client: Client, clip: Clip) -> None:
    wide = signed(clip, margin=2.0)
    part = client.get(wide, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"fLaC")
    signature = wide.partition("sig=")[2]
    peaks = client.get(reverse("corpus:clip-peaks", args=[clip.pk]), {"sig": signature}).json()
    assert peaks["length"] == 2_000


def test_members_ask_for_the_margin_by_name(client: Client, clip: Clip) -> None:
    member = User.objects.create_user("mei", "mei@example.org", "x")
    add_member(collection=clip.collection, user=member, role=Role.VIEWER)
    client.force_login(member)
    path = reverse("corpus:clip-audio", args=[clip.pk])
    lengths = [
        len(read_flac(client.get(path, {"margin": asked} if asked else {}).content)) / SAMPLE_RATE
        for asked in ("", "2", "25")
    ]
    assert lengths == [2.0, 2.0 + 2 * MARGIN_SECONDS, 2.0]


def test_clips_of_a_round_are_cut_in_one_pass(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    other = world.clip(
        clip.collection, recording=clip.recording, start=7.0, seconds=1.5, state=Clip.State.IN_ROUND
    )
    margins.wide_flac(clip, 2.0)
    monkeypatch.setattr(margins, "decoder", lambda: pytest.fail("decoded again"))
    assert len(read_flac(margins.wide_flac(other, 2.0))) == (9.0 - 5.0) * SAMPLE_RATE


@given(start=st.integers(0, 50), length=st.integers(1, 50), margin=st.integers(0, 40))
def test_nothing_outside_the_recording_is_asked_for(start: int, length: int, margin: int) -> None:
    recording = Recording(seconds=10.0)
    one = Clip(recording=recording, start=start / 10, seconds=length / 10)
    outer = wide_stretch(one, margin / 10)
    inner = Stretch(round(start / 10 * SAMPLE_RATE), round((start + length) / 10 * SAMPLE_RATE))
    assert 0 <= outer.start <= inner.start < inner.end <= outer.end <= 10 * SAMPLE_RATE
    begins, ends = place_in_wide(one, margin / 10)
    assert 0 <= begins < ends <= outer.seconds + 1e-9
    quiet = faded(np.ones(outer.end - outer.start, np.float32), inner, outer)
    assert quiet.sum() == pytest.approx(
        (inner.end - inner.start) + LOUDNESS * (outer.end - outer.start - inner.end + inner.start)
    )
