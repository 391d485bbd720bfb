"""Hear it live: somebody gives audio, a model hears it at once, and they watch the text grow.

The work is a job like any other; what is heard grows in rows that the page asks for. The audio is deleted as soon as it
is heard, all the rest after an hour. Nothing enters the corpus.
"""

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.corpus.models import Collection
from earmark.corpus.stored import reached
from earmark.jobs.models import ELSEWHERE, Job, Status
from earmark.jobs.registry import Context
from earmark.jobs.running import Cancelled
from earmark.jobs.services import cancel, submit
from earmark.recognition.calibrations import calibrator_of, newest
from earmark.recognition.live_hearing import MAX_BYTES, HeardClip, cut, hear
from earmark.recognition.live_models import Listening, ListeningClip
from earmark.recognition.live_words import SaidWord, said_words
from earmark.recognition.models import Alias, ModelVersion
from earmark.recognition.registry import champion, engine_for, holder
from earmark.speech.calibration import Assessed, Calibrator
from earmark.speech.engine import AUTO, LANGUAGES, Engine
from earmark.speech.errors import EarmarkError

KIND = "recognition.listen"
FOLDER = "listen"
MODES = (AUTO, *LANGUAGES)
KEPT_FOR = timedelta(hours=1)
MOST_AT_ONCE = 3
WRITTEN_EVERY_SECONDS = 0.2
LONGEST_NAME = 200


def start_listening(
    *,
    collection: Collection,
    by: User,
    audio: IO[bytes],
    size: int,
    name: str,
    language: str = AUTO,
    alias: str = Alias.Name.CHAMPION,
) -> Listening:
    """Let the model that holds `alias` in the collection hear `audio`, a file of `size` bytes that `by` calls `name`.

    Raises EarmarkError `recognition:listen:too-large`, `:empty`, `:busy` or `:model`, `speech:language:unknown`, and
    those of `registry.champion`.
    """
    check_size(size)
    _check_language(language)
    model = _model(collection, alias)
    unfinished = Listening.objects.filter(created_by=by, job__in=Job.objects.unfinished())
    if unfinished.count() >= MOST_AT_ONCE:
        raise EarmarkError(
            "recognition:listen:busy",
            _("%(n)s recordings of yours are being heard.") % {"n": MOST_AT_ONCE},
            _("Wait until one of them is done, or stop it."),
        )
    return listen_to(
        key=uuid.uuid4(), model=model, collection=collection, by=by, audio=audio, size=size, name=name,
        language=language,
    )  # fmt: skip


def listen_to(
    *,
    key: uuid.UUID,
    model: ModelVersion,
    collection: Collection,
    by: User,
    audio: IO[bytes],
    size: int,
    name: str,
    language: str = AUTO,
) -> Listening:
    """Let `model` hear `audio`, however much `by` lets it hear already; `key` names the listening.

    Raises EarmarkError `recognition:listen:too-large` and `:empty`, and IntegrityError where there is one of that key.
    """
    check_size(size)
    one = Listening.objects.create(
        key=key, collection=collection, model=model, created_by=by, name=_shown(name), language=language,
        audio=f"{FOLDER}/{key.hex}", bytes=size,
    )  # fmt: skip
    try:
        with reached():
            default_storage.save(one.audio, File(audio))
        one.job = submit(KIND, by=by, listening_id=one.pk)
    except BaseException:
        forget(one)
        raise
    one.save(update_fields=["job"])
    return one


def check_size(size: int) -> None:
    """Refuse what is empty or too large: raises EarmarkError `recognition:listen:empty`, `:too-large`."""
    if size <= 0:
        raise EarmarkError(
            "recognition:listen:empty", _("The file is empty."), _("Record or choose another one.")
        )
    if size > MAX_BYTES:
        told = {"size": f"{size / 1e6:.0f}", "most": f"{MAX_BYTES / 1e6:.0f}"}
        raise EarmarkError(
            "recognition:listen:too-large",
            _("The file has %(size)s MB; at most %(most)s MB are heard here.") % told,
            _("Convert it to FLAC or MP3, or listen to a part of it."),
        )


def run_listening(context: Context, *, listening_id: int, engine: Engine | None = None) -> dict[str, Any]:
    """Hear it, writing what is heard as it grows; the audio is gone afterwards. `engine` stands in for the model's own.

    One that was forgotten meanwhile is left alone. Raises EarmarkError: the file's, or the model's.
    """
    one = Listening.objects.select_related("model", "collection").filter(pk=listening_id).first()
    if one is None or not one.audio:
        return {}
    try:
        told = _run(context, one, engine or engine_for(one.model))
    except EarmarkError:
        _forget_audio(one)
        raise
    _forget_audio(one)
    return told


def _run(context: Context, one: Listening, engine: Engine) -> dict[str, Any]:
    began = time.monotonic()
    with _at_hand(one.audio) as path:
        found = cut(path, name=one.name, watch=lambda seconds: context.check())
        one.heard.all().delete()
        Listening.objects.filter(pk=one.pk).update(seconds=found.seconds, clips=len(found.stretches))
        total, done = sum(stretch.seconds for stretch in found.stretches), 0.0
        is_due, calibrator = _throttle(), _calibrator(one)
        for clip in hear(path, found, name=one.name, engine=engine, language=one.language):
            context.check()
            if clip.is_final or is_due():
                _write(one, clip, calibrator)
            if clip.is_final:
                done += clip.seconds
                context.progress(done, total)
    return {"seconds": round(found.seconds, 3), "took_seconds": round(time.monotonic() - began, 3)}


def _throttle() -> Callable[[], bool]:
    """Whether it is time to write again: at once, then every WRITTEN_EVERY_SECONDS."""
    last = -float("inf")

    def is_due() -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < WRITTEN_EVERY_SECONDS:
            return False
        last = now
        return True

    return is_due


@transaction.atomic
def _write(one: Listening, clip: HeardClip, calibrator: Calibrator | None) -> None:
    """What is heard in the clip now. Raises Cancelled when the listening was forgotten meanwhile."""
    if not Listening.objects.select_for_update(no_key=True).filter(pk=one.pk).exists():
        raise Cancelled
    ListeningClip.objects.update_or_create(
        of=one,
        number=clip.number,
        defaults={
            "start": clip.start,
            "seconds": clip.seconds,
            "said": said_of(clip, calibrator),
            "is_final": clip.is_final,
        },
    )


def said_of(clip: HeardClip, calibrator: Calibrator | None = None) -> dict[str, Any]:
    """What is kept of a clip: text, words with their seconds into the file, and how far to trust them.

    With a calibrator `confidence` is the probability that the text is right and `expected_error_rate` is known; without
    one it is the prior, and no error rate is.
    """
    sure = clip.confidence
    right, rate = (sure.value if sure else None), None
    if sure and calibrator:
        (right,), (rate,) = calibrator.assess([Assessed(sure.value, sure.features, sure.flags)])
    return {
        "text": clip.heard.text,
        "language": clip.heard.language,
        "words": [_word(word, clip.start) for word in said_words(clip.heard)],
        "confidence": None if right is None else round(float(right), 4),
        "expected_error_rate": None if rate is None else round(float(rate), 4),
        "flags": list(sure.flags) if sure else [],
    }


def _calibrator(one: Listening) -> Calibrator | None:
    """What the model's confidence means in this collection, where that is known."""
    held = newest(one.collection, one.model)
    return calibrator_of(held) if held else None


def _word(word: SaidWord, offset: float) -> dict[str, Any]:
    return {
        "text": word.text,
        "before": word.before,
        "probability": None if word.probability is None else round(word.probability, 4),
        "start": None if word.start is None else round(offset + word.start, 3),
        "end": None if word.end is None else round(offset + word.end, 3),
    }


@dataclass(frozen=True)
class Answer:
    """How far a listening is: its job's status, the clips asked for, and why it failed if it did.

    `progress` 0 to 1, `took_seconds` once it is done, `running_before`: other work the workers are at while it waits.
    """

    listening: Listening
    status: str
    progress: float
    took_seconds: float | None
    running_before: int
    heard: tuple[ListeningClip, ...]
    error_id: str
    error: str

    @property
    def text(self) -> str:
        """The text of the clips asked for, a line each."""
        return "\n".join(text for clip in self.heard if (text := clip.said["text"]))


def answer(one: Listening, *, after: int = 0) -> Answer:
    """How far it is; the clips are those from number `after` on. Two queries, three while it waits."""
    job = one.job
    status = job.status if job else Status.FAILED.value
    waiting = 0
    if job and status == Status.QUEUED:
        busy = Job.objects.filter(queue=job.queue, status=Status.RUNNING)
        waiting = busy.exclude(worker=ELSEWHERE).count()
    return Answer(
        listening=one,
        status=status,
        progress=1.0 if status == Status.SUCCEEDED else job.share_done if job else 0.0,
        took_seconds=job.result.get("took_seconds") if job else None,
        running_before=waiting,
        heard=tuple(one.heard.filter(number__gte=after)),
        error_id=job.error_id if job and status == Status.FAILED else "",
        error=job.error if job and status == Status.FAILED else "",
    )


def forget(one: Listening) -> None:
    """Stop the work and delete the audio and what was heard in it."""
    if one.job_id and one.job:
        cancel(one.job)
    _forget_audio(one)
    Listening.objects.filter(pk=one.pk).delete()


def stopped(*, listening_id: int) -> None:
    """What is left to do when the job of a listening was cancelled: its audio goes, what was heard stays to be read."""
    one = Listening.objects.filter(pk=listening_id).first()
    if one:
        _forget_audio(one)


def sweep() -> int:
    """Forget what is older than KEPT_FOR, and the jobs that heard it; returns how many were forgotten."""
    before = timezone.now() - KEPT_FOR
    old = list(Listening.objects.filter(created_at__lt=before).select_related("job"))
    for one in old:
        forget(one)
    Job.objects.filter(kind=KIND, finished_at__lt=before).delete()
    return len(old)


def _forget_audio(one: Listening) -> None:
    if one.audio:
        with reached():
            default_storage.delete(one.audio)
        Listening.objects.filter(pk=one.pk).update(audio="")


@contextmanager
def _at_hand(name: str) -> Iterator[Path]:
    """What is stored as `name`, as a file that is gone with the block. Raises Cancelled when it was forgotten."""
    with tempfile.NamedTemporaryFile(prefix="earmark-listen-") as copy:
        try:
            with reached(), default_storage.open(name) as stored:
                shutil.copyfileobj(stored, copy)
        except FileNotFoundError:
            raise Cancelled from None
        copy.flush()
        yield Path(copy.name)


def _model(collection: Collection, alias: str) -> ModelVersion:
    if alias == Alias.Name.CHAMPION:
        return champion(collection)
    model = holder(collection, alias)
    if model is None:
        raise EarmarkError(
            "recognition:listen:model",
            _("This collection has no model called %(alias)s.") % {"alias": repr(alias)},
            _("Choose the champion."),
        )
    return model


def _check_language(language: str) -> None:
    if language not in MODES:
        raise EarmarkError(
            "speech:language:unknown",
            _("There is no language mode %(language)s.") % {"language": repr(language)},
            _("Choose one of %(modes)s.") % {"modes": ", ".join(MODES)},
        )


def _shown(name: str) -> str:
    """The file's name as messages say it: its last part, printable."""
    plain = "".join(each for each in name.replace("\\", "/").rsplit("/", 1)[-1] if each.isprintable())
    return plain[-LONGEST_NAME:] or "audio"
