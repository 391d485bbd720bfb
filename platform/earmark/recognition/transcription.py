"""Have one model hear many clips: stream them in windows, batch by length, write each batch as it is done.

Killed at any line it loses at most the batch in hand: what a model has heard is never heard again, and one row
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
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.corpus.queries import current, usable
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.champion_shown import show_on_clips
from earmark.recognition.models import Hypothesis, HypothesisDetails, ModelVersion, TranscriptionFailure
from earmark.recognition.queries import unheard
from earmark.recognition.reading import Sounding, soundings_ahead
from earmark.recognition.registry import champion, engine_for
from earmark.speech.batching import length_sorted_batches
from earmark.speech.confidence import clip_confidence
from earmark.speech.engine import Engine, Heard
from earmark.speech.errors import EarmarkError

log = logging.getLogger(__name__)

WINDOW_CLIPS = 2_048
WINDOW_SECONDS = 1_800.0
"""A window's waveforms take 64 kB a second: 115 MB, and two windows are held at a time."""
BATCH_SECONDS_CPU = 60.0
BATCH_SECONDS_ACCELERATOR = 960.0
ROUNDED = 4


class Only(StrEnum):
    """Which clips of a collection a run is about."""

    POOL = "pool"
    UNLABELLED = "unlabelled"
    ALL = "all"
    TEST = "test"


@dataclass
class Tally:
    """What a run has done so far."""

    total_seconds: float
    heard: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    def note(self) -> str:
        """One line on how far the run is and how long it still needs."""
        elapsed = time.monotonic() - self.started
        missing = max(0.0, self.total_seconds - self.seconds)
        left = elapsed * missing / self.seconds if self.seconds else 0.0
        return _("%(clips)d clips heard, %(failed)d failed; about %(minutes)d min %(seconds)02d s left") % {
            "clips": self.heard,
            "failed": self.failures.total(),
            "minutes": left // 60,
            "seconds": left % 60,
        }


def submit_transcription(
    *,
    collection: Collection,
    model: ModelVersion | None = None,
    only: str = Only.POOL,
    by: User | None = None,
) -> Job:
    """Queue the hearing of `only` those clips by `model` (the champion unless given).

    The same run asked for twice is one job. Raises EarmarkError `recognition:transcription:only`, and those of
    `registry.champion`.
    """
    clips_for(collection, only)
    model = model or champion(collection)
    return submit(
        "recognition.transcribe",
        scope=collection.scope,
        key=f"transcribe:{collection.pk}:{model.pk}:{only}",
        by=by,
        collection_id=collection.pk,
        model_id=model.pk,
        only=str(only),
    )


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
    context: Context, *, clips: QuerySet[Clip], model: ModelVersion, engine: Engine | None = None
) -> Tally:
    """Let `model` hear those of `clips` (unsliced) it has not heard, in bounded memory.

    A clip that cannot be read or heard becomes a `TranscriptionFailure` and the run goes on. `engine` stands in for
    the model's own. Progress is in seconds of audio. Raises what `context.progress` raises to stop the work, and
    EarmarkError `recognition:model:unavailable`.
    """
    ids, total_seconds = _todo(clips, model)
    tally = Tally(total_seconds)
    with closing(soundings_ahead(_windows(ids, model))) as windows:
        for window in windows:
            engine = engine or engine_for(model)
            readable = [one for one in window if one.error is None]
            _record_failures(model, [one for one in window if one.error], tally)
            padded = [engine.padded_seconds(one.clip.seconds) for one in readable]
            batches = length_sorted_batches(padded, _batch_seconds())
            for batch in batches:
                _hear_batch(engine, model, [readable[index] for index in batch], tally)
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
    for start in range(0, len(ids), WINDOW_CLIPS):
        page = Clip.objects.filter(pk__in=ids[start : start + WINDOW_CLIPS])
        window: list[Clip] = []
        room = WINDOW_SECONDS
        for clip in unheard(page, model).select_related("recording").order_by("pk"):
            if window and clip.seconds > room:
                yield window
                window, room = [], WINDOW_SECONDS
            window.append(clip)
            room -= clip.seconds
        if window:
            yield window


def _hear_batch(engine: Engine, model: ModelVersion, batch: Sequence[Sounding], tally: Tally) -> None:
    """Hear one batch and write what came of it; a batch with a clip no model can hear is heard one by one."""
    try:
        heard = engine.hear([one.samples for one in batch])
    except EarmarkError as error:
        if len(batch) > 1:
            for one in batch:
                _hear_batch(engine, model, [one], tally)
        else:
            _record_failures(model, [batch[0].failed(error)], tally)
        return
    _record_heard(model, list(zip(batch, heard, strict=True)))
    tally.heard += len(batch)
    tally.seconds += sum(one.clip.seconds for one in batch)


def _record_heard(model: ModelVersion, results: list[tuple[Sounding, Heard]]) -> None:
    """One transaction a batch, in the order of clip ids so that two runs over the same clips never deadlock."""
    rows = sorted((_hypothesis(model, *result) for result in results), key=lambda row: row.clip_id)
    ids = [row.clip_id for row in rows]
    with transaction.atomic():
        Hypothesis.objects.bulk_create(rows, ignore_conflicts=True)
        _record_details(model, results)
        Clip.objects.filter(pk__in=ids, state=Clip.State.NEW).update(state=Clip.State.HEARD)
        show_on_clips(model, ids)
        TranscriptionFailure.objects.filter(model=model, clip__in=ids).delete()


def _hypothesis(model: ModelVersion, sounding: Sounding, heard: Heard) -> Hypothesis:
    confidence = clip_confidence(heard, sounding.clip.seconds, sounding.samples)
    return Hypothesis(
        clip=sounding.clip,
        model=model,
        text=heard.text,
        confidence=confidence.value,
        features=confidence.features,
        flags=list(confidence.flags),
    )


def _record_details(model: ModelVersion, results: list[tuple[Sounding, Heard]]) -> None:
    """Beside the hypotheses of `model` that have none yet."""
    heard = {sounding.clip.pk: one for sounding, one in results}
    missing = Hypothesis.objects.filter(model=model, clip__in=heard, details=None).order_by("clip_id")
    rows = [_details(pk, heard[clip]) for pk, clip in missing.values_list("pk", "clip_id")]
    HypothesisDetails.objects.bulk_create(rows, ignore_conflicts=True)


def _details(hypothesis: int, heard: Heard) -> HypothesisDetails:
    return HypothesisDetails(
        hypothesis_id=hypothesis,
        tokens=[
            [token.text, round(token.logprob, ROUNDED), round(token.entropy, ROUNDED)]
            for token in heard.tokens
        ],
        words=[
            [word.text, round(word.start, ROUNDED), round(word.end, ROUNDED), round(word.score, ROUNDED)]
            for word in heard.words
        ],
        embedding=None if heard.embedding is None else heard.embedding.astype("<f2").tobytes(),
    )


def _record_failures(model: ModelVersion, failed: list[Sounding], tally: Tally) -> None:
    rows = []
    for one in failed:
        error = one.error
        if error is None:
            continue
        log.warning("clip %s not heard by %s: %s %s", one.clip.pk, model, error.error_id, error)
        rows.append(
            TranscriptionFailure(clip=one.clip, model=model, error_id=error.error_id, error=str(error))
        )
        tally.failures[error.error_id] += 1
        tally.seconds += one.clip.seconds
    TranscriptionFailure.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["clip", "model"],
        update_fields=["error_id", "error", "at"],
    )
