"""Hearing audio by the way: it grows while it is heard, and leaves nothing behind."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from earmark.accounts.models import User
from earmark.corpus.models import Clip, Recording
from earmark.jobs.models import Job, Status
from earmark.jobs.running import Cancelled
from earmark.recognition import live, live_hearing
from earmark.recognition.live import answer, forget, run_listening, said_of, start_listening, sweep
from earmark.recognition.live_hearing import HeardClip
from earmark.recognition.live_models import Listening, ListeningClip
from earmark.recognition.models import Alias
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.calibration import Assessed
from earmark.speech.confidence import Confidence
from earmark.speech.engine import Abilities, Heard, Word
from earmark.speech.errors import EarmarkError
from earmark.speech.stub import StubEngine, heard
from tests.recognition.world import Progress, make_collection, make_model

pytestmark = pytest.mark.django_db


def noise(*seconds: float, pause: float = 1.0) -> bytes:
    """A FLAC of stretches of noise that long, with digital silence between them."""
    rng = np.random.default_rng(3)
    pieces: list[np.ndarray] = []
    for length in seconds:
        pieces += [
            0.2 * rng.standard_normal(round(length * SAMPLE_RATE)),
            np.zeros(round(pause * SAMPLE_RATE)),
        ]
    return write_flac(np.concatenate(pieces[:-1]).astype(np.float32))


@pytest.fixture
def started() -> Callable[..., Listening]:
    """Let a new collection's champion hear some audio."""

    def start(data: bytes = noise(1.0), **options: str) -> Listening:
        collection = make_collection()
        Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=make_model())
        by, _new = User.objects.get_or_create(username="ada")
        given = {"name": "a.flac", **options}
        return start_listening(collection=collection, by=by, audio=io.BytesIO(data), size=len(data), **given)

    return start


def test_what_is_heard_grows_and_ends_whole(
    started: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, written = started(), list[str]()
    monkeypatch.setattr(live, "WRITTEN_EVERY_SECONDS", 0.0)
    write = live._write

    def spy(of: Listening, clip: HeardClip, calibrator: None) -> None:
        write(of, clip, calibrator)
        written.append(answer(of).text)

    monkeypatch.setattr(live, "_write", spy)
    told = run_listening(Progress(), listening_id=one.pk, engine=StubEngine(lambda _: heard("hi you")))
    assert written == ["h", "hi", "hi ", "hi y", "hi yo", "hi you", "hi you", "hi you"]
    assert told["seconds"] == pytest.approx(1.0)
    (clip,) = answer(Listening.objects.get(pk=one.pk)).heard
    assert clip.is_final
    assert clip.said["confidence"] > 0
    assert [(word["before"], word["text"]) for word in clip.said["words"]] == [("", "hi"), (" ", "you")]


def test_growing_text_is_written_at_once_and_then_not_before_it_is_time(
    started: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WRITTEN_EVERY_SECONDS", 3600.0)
    one = started()
    engine = StubEngine(lambda _: heard("x" * 500))
    writes = []

    class Counting(Progress):
        def check(self) -> None:
            writes.append(ListeningClip.objects.filter(of=one, said__text="x").count())

    run_listening(Counting(), listening_id=one.pk, engine=engine)
    assert writes.count(1) > 490  # the first token was written, and hundreds after it were not


def test_long_audio_is_heard_clip_after_clip(
    started: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    from earmark.speech.cutting import Stretch

    one, context = started(noise(2.0, 1.5)), Progress()
    second = SAMPLE_RATE
    found = live_hearing.Cut(4.5, (Stretch(0, 2 * second), Stretch(3 * second, 4 * second)))
    monkeypatch.setattr(live, "cut", lambda *args, **kwargs: found)
    engine = StubEngine(lambda samples: heard(f"{len(samples) / second:g}"))
    run_listening(context, listening_id=one.pk, engine=engine)
    one.refresh_from_db()
    told = answer(one)
    assert [(clip.start, clip.seconds, clip.said["text"]) for clip in told.heard] == [
        (0, 2, "2"),
        (3, 1, "1"),
    ]
    assert (one.seconds, one.clips, told.text) == (4.5, 2, "2\n1")
    assert [clip.number for clip in answer(one, after=1).heard] == [1]
    assert [done for done, total, _ in context.reports] == [2, 3]


def test_an_engine_that_does_not_stream_is_heard_at_once(started: Callable[..., Listening]) -> None:
    class Whole(StubEngine):
        abilities = Abilities(languages=("yue",))  # type: ignore[assignment]

    one = started(language="yue")
    run_listening(Progress(), listening_id=one.pk, engine=Whole(lambda _: heard("三七")))
    assert answer(one).text == "三七"


def test_where_the_model_is_calibrated_its_confidence_is_a_probability() -> None:
    class Calibrated:
        def assess(self, clips: list[Assessed]) -> tuple[np.ndarray, np.ndarray]:
            return np.array([0.25 * one.prior for one in clips]), np.array([0.125])

    clip = HeardClip(0, 0.0, 1.0, heard("hi"), Confidence(0.8, {}, ("loop",)))
    said, prior = said_of(clip, Calibrated()), said_of(clip)  # type: ignore[arg-type]
    assert (said["confidence"], said["expected_error_rate"], said["flags"]) == (0.2, 0.125, ["loop"])
    assert (prior["confidence"], prior["expected_error_rate"]) == (0.8, None)


def test_times_are_those_in_the_file() -> None:
    words = (Word("hi", 0.2, 0.4, 0.9),)
    clip = HeardClip(1, 12.5, 3.0, Heard("hi", (), False, words=words))
    assert said_of(clip)["words"][0] | {"probability": None} == {
        "text": "hi", "before": "", "probability": None, "start": 12.7, "end": 12.9,
    }  # fmt: skip


def test_the_audio_is_gone_when_it_is_heard_and_the_corpus_never_saw_it(
    started: Callable[..., Listening],
) -> None:
    one = started()
    assert default_storage.exists(one.audio)
    run_listening(Progress(), listening_id=one.pk, engine=StubEngine(lambda _: heard("hi")))
    assert not default_storage.exists(one.audio)
    assert Listening.objects.get(pk=one.pk).audio == ""
    assert not Recording.objects.exists()
    assert not Clip.objects.exists()
    assert run_listening(Progress(), listening_id=one.pk) == {}  # sent twice, heard once


@pytest.mark.parametrize(
    ("data", "error_id"),
    [
        (b"RIFF....WAVEnonsense", "corpus:audio:unreadable"),
        (noise(0.05), "corpus:audio:too-short"),
        (write_flac(np.zeros(SAMPLE_RATE, np.float32)), "corpus:audio:silent"),
    ],
    ids=["no audio", "too short", "silent"],
)
def test_what_cannot_be_heard_says_why_and_goes(
    started: Callable[..., Listening], data: bytes, error_id: str
) -> None:
    one = started(data)
    with pytest.raises(EarmarkError, match=r"a\.flac") as error:
        run_listening(Progress(), listening_id=one.pk, engine=StubEngine(lambda _: heard("hi")))
    assert error.value.error_id == error_id
    assert not default_storage.exists(one.audio)


def test_audio_that_is_too_long_is_refused_while_it_is_looked_at(
    started: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_hearing, "MAX_SECONDS", 0.5)
    one = started()
    with pytest.raises(EarmarkError) as error:
        run_listening(Progress(), listening_id=one.pk, engine=StubEngine(lambda _: heard("hi")))
    assert error.value.error_id == "recognition:listen:too-long"


@pytest.mark.parametrize(
    ("options", "error_id"),
    [
        ({"language": "fr"}, "speech:language:unknown"),
        ({"alias": "challenger"}, "recognition:listen:model"),
        ({"data": b""}, "recognition:listen:empty"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    started: Callable[..., Listening], options: dict[str, str], error_id: str
) -> None:
    with pytest.raises(EarmarkError) as error:
        started(**options)
    assert error.value.error_id == error_id
    assert not Listening.objects.exists()


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(EarmarkError) as error:
        live.check_size(live.MAX_BYTES + 1)
    assert error.value.error_id == "recognition:listen:too-large"


def test_nobody_keeps_the_workers_to_themselves(started: Callable[..., Listening]) -> None:
    for _ in range(live.MOST_AT_ONCE):
        started()
    with pytest.raises(EarmarkError) as error:
        started()
    assert error.value.error_id == "recognition:listen:busy"


def test_names_are_shown_without_folders_and_control_characters(started: Callable[..., Listening]) -> None:
    assert started(name="C:\\my\\tone\n.wav").name == "tone.wav"


def test_what_is_forgotten_is_heard_no_further(started: Callable[..., Listening]) -> None:
    one = started()

    def answer_after_forgetting(_: np.ndarray) -> Heard:
        forget(Listening.objects.get(pk=one.pk))
        return heard("hi")

    with pytest.raises(Cancelled):
        run_listening(Progress(), listening_id=one.pk, engine=StubEngine(answer_after_forgetting))
    assert not Listening.objects.exists()
    assert not default_storage.exists(one.audio)
    assert Job.objects.get().status == Status.CANCELLED


def test_after_an_hour_nothing_is_left(started: Callable[..., Listening]) -> None:
    old, young = started(), started()
    run_listening(Progress(), listening_id=old.pk, engine=StubEngine(lambda _: heard("hi")))
    past = timezone.now() - timedelta(minutes=61)
    Listening.objects.filter(pk=old.pk).update(created_at=past)
    Job.objects.filter(pk=old.job_id).update(status=Status.SUCCEEDED, finished_at=past)
    assert sweep() == 1
    assert list(Listening.objects.all()) == [young]
    assert not ListeningClip.objects.exists()
    assert [job.pk for job in Job.objects.all()] == [young.job_id]
    assert Path(default_storage.path(young.audio)).exists()


def test_the_jobs_of_a_collection_tell_nobody_who_listens_to_what(started: Callable[..., Listening]) -> None:
    one = started(name="a private matter.flac")
    assert one.job is not None
    assert (one.job.scope, one.job.created_by) == ("", one.created_by)
