import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import InMemoryStorage, default_storage, storages
from django.test import override_settings

from earmark.corpus import samples, stored
from earmark.corpus.models import Clip, Recording
from earmark.corpus.samples import clip_flac, clip_samples, flac_name, samples_of, stretch_of
from earmark.speech.audio import read_flac
from earmark.speech.decoding import Decoder
from earmark.speech.errors import EarmarkError
from tests.corpus import world
from tests.speech.audio_files import encoded, tone, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def long_clips() -> list[Clip]:
    """A recording of 75 s that three clips share out between them."""
    rising = np.concatenate([tone(25.0, hertz=hertz) for hertz in (200, 400, 800)])
    return kept(encoded(rising, 16_000, "flac"), seconds=75.0, parts=[(0, 25), (25, 20.5), (45.5, 29.5)])


def kept(
    data: bytes, *, seconds: float, parts: list[tuple[float, float]], format: str = "FLAC PCM_16"
) -> list[Clip]:
    """A recording of these bytes, with clips of (start, seconds)."""
    digest = hashlib.sha256(data).hexdigest()
    stored.keep_bytes(f"recordings/{digest}.flac", data)
    into = world.collection()
    of = world.recording(into, sha256=digest, seconds=seconds, file=f"recordings/{digest}.flac")
    of.format = format
    of.save()
    return [world.clip(into, recording=of, start=start, seconds=length) for start, length in parts]


def test_samples_come_in_the_order_asked(tmp_path: Path, django_assert_num_queries) -> None:
    for number in range(6):
        write(tmp_path / f"{number}.wav", 0.2 + number / 10)
    world.bring_in(world.collection(), tmp_path)
    clips = list(Clip.objects.order_by("-seconds"))
    with django_assert_num_queries(1):
        heard = list(samples_of(clips))
    assert [pk for pk, _ in heard] == [clip.pk for clip in clips]
    assert [len(one) for _, one in heard] == [round(clip.seconds * 16_000) for clip in clips]
    assert all(one.dtype == np.float32 for _, one in heard)


def test_clips_of_a_long_recording_join_to_the_whole(long_clips: list[Clip]) -> None:
    assert len(long_clips) > 2
    with stored.local(long_clips[0].recording.file.name) as path, Decoder() as decoder:
        whole = decoder.decode(path).samples
    joined = np.concatenate([one for _, one in samples_of(long_clips)])
    assert np.array_equal(joined, whole)


def test_a_long_recording_is_decoded_once_for_all_its_clips(
    long_clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    real = Decoder.stretches

    def counted(*args: object, **kwargs: object) -> object:
        passes.append(1)
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Decoder, "stretches", counted)
    for clip in reversed(long_clips):
        clip_samples(clip)
        clip_flac(clip)
    assert len(passes) == 1


@pytest.mark.parametrize(("suffix", "passes"), [("flac", 2), ("mp3", 1)])
def test_a_window_at_a_time_is_cut_where_that_is_possible(
    monkeypatch: pytest.MonkeyPatch, suffix: str, passes: int
) -> None:
    monkeypatch.setattr(samples, "WINDOW_SECONDS", 20)
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, 60 * 8_000).astype(np.float32)
    data, format = encoded(noise, 8_000, suffix), {"flac": "FLAC PCM_16", "mp3": "MP3 MPEG_LAYER_III"}[suffix]
    clips = kept(
        data, seconds=60.0, parts=[(1, 10), (18, 12), (19.5, 5), (40.25, 8), (50, 9.5)], format=format
    )
    began = []
    real = Decoder.stretches

    def noted(*args: object, **kwargs: object) -> object:
        began.append(kwargs["start"])
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Decoder, "stretches", noted)
    whole = samples.decoder().decode(Path(default_storage.path(clips[0].recording.file.name))).samples
    heard = {clip.pk: clip_samples(clip) for clip in (clips[4], clips[1], clips[2], clips[3], clips[0])}
    assert len(began) == passes
    for clip in clips:
        stretch = stretch_of(clip)
        assert np.abs(heard[clip.pk] - whole[stretch.start : stretch.end]).max() <= 1 / 32_768


def test_what_is_served_is_what_is_transcribed(tmp_path: Path, long_clips: list[Clip]) -> None:
    for clip in long_clips:
        assert np.array_equal(read_flac(clip_flac(clip)), clip_samples(clip))


def test_a_purged_cache_fills_again_with_the_same_bytes(long_clips: list[Clip]) -> None:
    clip = long_clips[1]
    before, name = clip_flac(clip), flac_name(clip.recording, stretch_of(clip))
    default_storage.delete(name)
    assert clip_flac(clip) == before
    assert default_storage.exists(name)


def test_a_clip_of_one_channel_is_that_channel(tmp_path: Path) -> None:
    caller, agent = tone(2.0, hertz=300), tone(2.0, hertz=1_000) / 2
    (tmp_path / "call.wav").write_bytes(encoded(np.stack([caller, agent], axis=1), 16_000, "wav"))
    world.bring_in(world.collection(), tmp_path)
    both = Clip.objects.get()
    stretch = {"recording": both.recording, "start": 0.0}
    left, right = (world.clip(both.collection, **stretch, seconds=2.0, channel=channel) for channel in (0, 1))
    part = world.clip(both.collection, **stretch, seconds=1.0, channel=1)
    heard = dict(samples_of([both, left, right, part]))
    assert np.allclose(heard[left.pk], caller, atol=1e-4)
    assert np.allclose(heard[right.pk], agent, atol=1e-4)
    assert np.allclose(heard[part.pk], agent[:16_000], atol=1e-4)
    assert np.allclose(heard[both.pk], (caller + agent) / 2, atol=1e-4)


def test_a_clip_that_no_row_knows_any_more_is_an_error(long_clips: list[Clip]) -> None:
    clip = long_clips[1]
    Clip.objects.filter(pk=clip.pk).delete()
    with pytest.raises(EarmarkError) as caught:
        clip_flac(clip)
    assert caught.value.error_id == "corpus:clip:unknown"


def test_a_lost_recording_names_the_file(tmp_path: Path) -> None:
    write(tmp_path / "名 字.wav", 0.5)
    world.bring_in(world.collection(), tmp_path)
    clip = Clip.objects.get()
    default_storage.delete(clip.recording.file.name)
    with pytest.raises(EarmarkError, match=r"名 字\.wav") as caught:
        clip_samples(clip)
    assert caught.value.error_id == "corpus:audio:missing"


def test_a_storage_that_is_no_folder_serves_as_well(tmp_path: Path) -> None:
    write(tmp_path / "a.mp3", 1.0, rate=44_100)
    write(tmp_path / "long.wav", 40.0)
    memory = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    with override_settings(STORAGES=memory):
        _, result = world.bring_in(world.collection(), tmp_path)
        assert result["ingested"] == 2
        long = Recording.objects.get(name="long.wav")
        world.clip(long.collection, recording=long, start=3.0, seconds=30.0)
        lengths = [len(one) for _, one in samples_of(Clip.objects.order_by("id"))]
        assert lengths == pytest.approx([16_000, 30 * 16_000], abs=10)
        assert isinstance(storages["default"], InMemoryStorage)
        default_storage.delete(Clip.objects.earliest("id").recording.file.name)
        with pytest.raises(EarmarkError) as caught:
            clip_samples(Clip.objects.earliest("id"))
        assert caught.value.error_id == "corpus:audio:missing"


def test_a_forked_process_has_a_decoder_of_its_own() -> None:
    ours = samples.decoder()
    assert samples.decoder() is ours
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"1" if samples.decoder() is not ours else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"1"
    os.close(reader)
    os.close(writer)
