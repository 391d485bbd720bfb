"""Have one model hear many clips: stream them in windows, batch by length, write each batch as it is done.

Killed at any line it loses at most what is being written: what a model has heard is never heard again, and one row
per clip and model is held by the database.
"""

import logging
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.corpus.queries import current, usable
from earmark.jobs.registry import Context
from earmark.recognition.agreeing import heard_again
from earmark.recognition.engines import end_if_away
from earmark.recognition.models import ModelVersion
from earmark.recognition.queries import unheard
from earmark.recognition.reading import Sounding, soundings_ahead
from earmark.recognition.registry import engine_for
from earmark.recognition.writing import Writer, Written
from earmark.speech.batching import length_sorted_batches
from earmark.speech.engine import AUTO, Engine
from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)

WINDOW_CLIPS = 2_048
WINDOW_SECONDS = 1_800.0
"""A window's waveforms take 64 kB a second: 115 MB, and two windows are held at a time."""
FIRST_WINDOW_SECONDS = 120.0
WINDOWS_GROW = 4
"""The first window is short, so that the model begins soon; each is longer than the one before."""
BATCH_SECONDS_CPU = 60.0
BATCH_SECONDS_ACCELERATOR = 960.0


class Only(StrEnum):
    """Which clips of a collection a run is about."""

    POOL = "pool"
    UNLABELLED = "unlabelled"
    ALL = "all"
    TEST = "test"


@dataclass
class Tally:
    """What a run has done so far: what is committed, never what is only heard."""

    total_seconds: float = 0.0
    written: Written = field(default_factory=Written)
    started: float = field(default_factory=time.monotonic)

    @property
    def heard(self) -> int:
        return self.written.heard

    @property
    def seconds(self) -> float:
        return self.written.seconds

    @property
    def failures(self) -> Counter[str]:
        return self.written.failures

    def note(self) -> str:
        """One line on how far the run is and how long it still needs."""
        elapsed = time.monotonic() - self.started
        missing = max(0.0, self.total_seconds - self.seconds)
        return progress_note(
            self.heard, self.failures.total(), elapsed * missing / self.seconds if self.seconds else None
        )


def progress_note(heard: int, failed: int, left: float | None) -> str:
    """One line for people; `left` are the seconds that are still needed, None where nobody knows."""
    told = _("%(clips)d clips heard, %(failed)d failed") % {"clips": heard, "failed": failed}
    if not left:
        return told
    return _("%(told)s; about %(minutes)d min %(seconds)02d s left") % {
        "told": told,
        "minutes": left // 60,
        "seconds": left % 60,
    }


def clips_for(collection: Collection, only: str) -> QuerySet[Clip]:
    """The current clips `only` stands for.

    `pool` (usable ones of the train side, no reference, intelligible), `unlabelled` (usable, no reference), `test`
    (usable or labelled, on the test side), `all` (those the gate found unfit, too).
    """
    clips = Clip.objects.filter(current(), collection=collection)
    labelled = Exists(Reference.objects.filter(clip=OuterRef("pk"), is_current=True))
    match only:
        case Only.POOL:
            unusable = Clip.State.UNINTELLIGIBLE
            return clips.filter(usable(), ~labelled, split=Split.TRAIN).exclude(state=unusable)
        case Only.UNLABELLED:
            return clips.filter(usable(), ~labelled)
        case Only.ALL:
            return clips
        case Only.TEST:
            return clips.filter(usable() | Q(labelled), split=Split.TEST)
    raise EarmarkError(
        "recognition:transcription:only",
        f"There are no clips called {only!r}.",
        f"Choose one of {', '.join(Only)}.",
    )


def transcribe(
    context: Context, *, clips: QuerySet[Clip], model: ModelVersion, engine: Engine | None = None
) -> int:
    """Let `model` hear those of `clips` it has not heard; returns how many it heard. See `hear_clips`."""
    return hear_clips(context, clips=clips, model=model, engine=engine).heard


def hear_clips(
    context: Context,
    *,
    clips: QuerySet[Clip],
    model: ModelVersion,
    engine: Engine | None = None,
    own_language: bool = True,
    tally: Tally | None = None,
) -> Tally:
    """Let `model` hear those of `clips` (unsliced) it has not heard, in bounded memory; returns when all is committed.

    A clip that cannot be read or heard becomes a `TranscriptionFailure` and the run goes on. `engine` stands in for
    the model's own; it is asked for each clip's own language where it knows it, unless `own_language` is False. The
    count is kept in `tally`. Progress is in seconds of audio. Raises what `context.progress` raises to stop the work,
    EarmarkError `recognition:model:unavailable`, and what reading or writing raised.
    """
    ids, total_seconds = _todo(clips, model)
    tally = tally or Tally()
    tally.total_seconds, tally.started = total_seconds, time.monotonic()
    with Writer() as writer, closing(soundings_ahead(_windows(ids, model))) as windows:
        tally.written = writer.written
        for window in windows:
            if engine is None:
                engine, tally.started = engine_for(model), time.monotonic()
            readable = [one for one in window if one.error is None]
            _put_failed(writer, model, [one for one in window if one.error])
            padded = [engine.padded_seconds(one.clip.seconds) for one in readable]
            for batch in length_sorted_batches(padded, _batch_seconds()):
                _hear_batch(engine, model, [readable[index] for index in batch], writer, own_language)
                context.progress(tally.seconds, tally.total_seconds, tally.note())
    context.progress(tally.total_seconds, tally.total_seconds, tally.note())
    return tally


def _batch_seconds() -> float:
    on_cpu = settings.EARMARK.device.startswith("cpu")
    return BATCH_SECONDS_CPU if on_cpu else BATCH_SECONDS_ACCELERATOR


def _todo(clips: QuerySet[Clip], model: ModelVersion) -> tuple["array[int]", float]:
    """The ids of `clips` that `model` has not heard, eight bytes each, and their seconds: one pass over the table."""
    ids, total = array("q"), 0.0
    missing = unheard(clips, model).order_by("pk").values_list("pk", "seconds")
    for pk, seconds in missing.iterator(chunk_size=10 * WINDOW_CLIPS):
        ids.append(pk)
        total += seconds
    return ids, total


def _windows(ids: "array[int]", model: ModelVersion) -> Iterator[list[Clip]]:
    """The clips of `ids` in that order (a recording's clips are neighbours), in windows of bounded audio.

    What another run has heard in the meantime is left out.
    """
    size = min(FIRST_WINDOW_SECONDS, WINDOW_SECONDS)
    for start in range(0, len(ids), WINDOW_CLIPS):
        page = Clip.objects.filter(pk__in=ids[start : start + WINDOW_CLIPS])
        window: list[Clip] = []
        room = size
        for clip in unheard(page, model).select_related("recording").order_by("pk"):
            if window and clip.seconds > room:
                yield window
                size = min(size * WINDOWS_GROW, WINDOW_SECONDS)
                window, room = [], size
            window.append(clip)
            room -= clip.seconds
        if window:
            yield window


def _hear_batch(
    engine: Engine, model: ModelVersion, batch: Sequence[Sounding], writer: Writer, own_language: bool
) -> None:
    """Hear one batch and have it written; a batch with a clip no model can hear is heard one by one."""
    languages = _languages(engine, batch) if own_language else None
    try:
        heard = engine.hear([one.samples for one in batch], languages=languages)
        heard = heard_again(engine, batch, heard, languages)
    except EarmarkError as error:
        end_if_away(error)
        if len(batch) > 1:
            for one in batch:
                _hear_batch(engine, model, [one], writer, own_language)
        else:
            _put_failed(writer, model, [batch[0].failed(error)])
        return
    writer.put(model, list(zip(batch, heard, strict=True)))


def _languages(engine: Engine, batch: Sequence[Sounding]) -> list[str]:
    """Each clip's own language where it is known and the engine can be asked for it."""
    known = engine.abilities.languages
    return [one.clip.language if one.clip.language in known else AUTO for one in batch]


def _put_failed(writer: Writer, model: ModelVersion, failed: list[Sounding]) -> None:
    for one in failed:
        if one.error:
            log.warning("clip %s not heard by %s: %s %s", one.clip.pk, model, one.error.error_id, one.error)
    if failed:
        writer.put(model, [], failed)
