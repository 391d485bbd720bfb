"""Write what was heard: by COPY into a table of the transaction's own, then every real table in one statement.

The writer works in a thread beside the model. What it has not committed, it has not counted.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from queue import Empty, Queue
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import orjson
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from earmark.corpus.models import Clip
from earmark.recognition.champion_shown import show_on_clips
from earmark.recognition.models import Hypothesis, HypothesisDetails, ModelVersion, TranscriptionFailure
from earmark.recognition.reading import Sounding
from earmark.speech.confidence import Confidence, clip_confidence
from earmark.speech.engine import Heard

BATCHES_AHEAD = 4
"""Batches that may wait to be written, with their waveforms: then the model waits."""
TOGETHER = 512
LINGER_SECONDS = 0.5
"""A transaction costs some 10 ms whatever it holds: clips are gathered for it, but not for long."""
MOST_ASSESSORS = 8
ROUNDED = 4
CLIP, HYPOTHESIS, DETAILS = (model._meta.db_table for model in (Clip, Hypothesis, HypothesisDetails))


@dataclass
class Written:
    """What is committed, and the seconds it took: `assessing` how far to trust it, `writing` it down.

    Both are busy seconds: the processor's for what is worked out here, the clock's for what the database does.
    """

    heard: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    assessing: float = 0.0
    writing: float = 0.0


class Row(NamedTuple):
    """A hypothesis and its details, ready for COPY."""

    clip_id: int
    text: str
    confidence: float
    features: str
    flags: list[str]
    tokens: str
    words: str
    embedding: bytes | None


@dataclass(frozen=True)
class Batch:
    """The `rows` of what `model` heard, the clips it could not hear, and the seconds of each clip of both.

    Rows are made elsewhere meanwhile; then no waveform is held any more.
    """

    model: ModelVersion
    rows: Future[list[Row]]
    failed: list[Sounding]
    seconds: list[float]


class Writer:
    """Writes batches in a thread of its own, in their order, some together, once others made their rows.

    Leaving the block waits until all is committed. Inside a transaction of the caller's the batches are written by the
    caller's own thread: no other would see the rows they stand on. An error while writing is raised by the next `put`,
    or on leaving the block; nothing is written after it.
    """

    def __init__(self) -> None:
        self.written = Written()
        self._waiting: Queue[Batch | None] = Queue(BATCHES_AHEAD)
        self._error: BaseException | None = None
        self._assessors = ThreadPoolExecutor(_assessors(), thread_name_prefix="assessing")
        self._told = threading.Lock()
        self._thread: threading.Thread | None = None
        if not connection.in_atomic_block:
            self._thread = threading.Thread(target=self._work, name="writing", daemon=True)

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread:
            self._waiting.put(None)
            self._thread.join()
        self._assessors.shutdown()
        if error is None:
            self._raise()

    def put(
        self, model: ModelVersion, results: list[tuple[Sounding, Heard]], failed: Sequence[Sounding] = ()
    ) -> None:
        """Have a batch written; waits while BATCHES_AHEAD wait. Raises what went wrong with an earlier one."""
        self._raise()
        seconds = [one.clip.seconds for one in [*(sounding for sounding, _ in results), *failed]]
        batch = Batch(model, self._assessors.submit(self._rows, results), list(failed), seconds)
        if self._thread:
            self._waiting.put(batch)
        else:
            self._write([batch])

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        """Write what comes, transaction by transaction, until None comes."""
        try:
            ended = False
            while not ended:
                batches, ended = self._gather()
                if batches and self._error is None:
                    self._attempt(batches)
        finally:
            connection.close()

    def _gather(self) -> tuple[list[Batch], bool]:
        """TOGETHER clips, or what came LINGER_SECONDS after the first of them; and whether that was the last."""
        batches: list[Batch] = []
        clips, until = 0, 0.0
        while clips < TOGETHER:
            left = max(0.0, until - time.monotonic()) if batches else None
            try:
                batch = self._waiting.get(timeout=left)
            except Empty:
                break
            if batch is None:
                return batches, True
            until = until or time.monotonic() + LINGER_SECONDS
            wait([batch.rows])
            batches.append(batch)
            clips += len(batch.seconds)
        return batches, False

    def _attempt(self, batches: list[Batch]) -> None:
        try:
            self._write(batches)
        except BaseException as error:  # noqa: BLE001  it belongs to the thread that hears, and is raised there
            self._error = error

    def _rows(self, results: list[tuple[Sounding, Heard]]) -> list[Row]:
        began = time.thread_time()
        trusted = [_trust(sounding, heard) for sounding, heard in results]
        assessed = time.thread_time()
        rows = [row_of(one.clip, heard, how) for (one, heard), how in zip(results, trusted, strict=True)]
        with self._told:
            self.written.assessing += assessed - began
            self.written.writing += time.thread_time() - assessed
        return rows

    def _write(self, batches: list[Batch]) -> None:
        for model in dict.fromkeys(batch.model for batch in batches):
            own = [batch for batch in batches if batch.model == model]
            rows = [row for batch in own for row in batch.rows.result()]
            failed = [one for batch in own for one in batch.failed]
            began = time.perf_counter()
            write(model, rows, failed)
            with self._told:
                self.written.writing += time.perf_counter() - began
            self.written.heard += len(rows)
            self.written.seconds += sum(seconds for batch in own for seconds in batch.seconds)
            self.written.failures.update(one.error.error_id for one in failed if one.error)


def _trust(sounding: Sounding, heard: Heard) -> Confidence:
    """By the clip's own language and, where it was measured when it came in, its own speech."""
    clip = sounding.clip
    return clip_confidence(
        heard, clip.seconds, sounding.samples, language=clip.language, voice_seconds=clip.speech_seconds
    )


def _assessors() -> int:
    """Beside a model on the CPU one thread; beside one on an accelerator all cores but that which feeds it."""
    on_cpu = settings.EARMARK.device.startswith("cpu")
    return 1 if on_cpu else max(1, min(MOST_ASSESSORS, len(os.sched_getaffinity(0)) - 1))


def row_of(clip: Clip, heard: Heard, trust: Confidence) -> Row:
    """What is written of one clip. A number that is not finite becomes null, and the embedding float16."""
    return Row(
        clip_id=clip.pk,
        text=_clean(heard.text),
        confidence=trust.value,
        features=_json(trust.features),
        flags=list(trust.flags),
        tokens=_json(_table([(one.text, one.logprob, one.entropy) for one in heard.tokens])),
        words=_json(_table([(one.text, one.start, one.end, one.score) for one in heard.words])),
        embedding=None if heard.embedding is None else heard.embedding.astype("<f2").tobytes(),
    )


def _clean(text: str) -> str:
    """PostgreSQL keeps no NUL; no script writes one."""
    return text.replace("\0", "") if "\0" in text else text


def _table(said: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Each text with its numbers, rounded all at once: one by one it takes longer than all the rest."""
    numbers = np.round(np.array([row[1:] for row in said], dtype=np.float64), ROUNDED).tolist()
    return [[_clean(row[0]), *rounded] for row, rounded in zip(said, numbers, strict=True)]


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def write(model: ModelVersion, rows: Sequence[Row], failed: Sequence[Sounding] = ()) -> None:
    """Write what `model` heard, what it could not hear, and what follows for the clips: one transaction.

    What it has heard already stays as it is, and nothing is written of a clip that is gone. Clips are taken in the
    order of their ids, so that two writers never wait for each other in a circle.
    """
    with transaction.atomic():
        if rows:
            ids = _hold([row.clip_id for row in rows])
            _copy(rows)
            with connection.cursor() as cursor:
                cursor.execute(_INSERT, {"model": model.pk, "now": timezone.now(), "clips": ids})
            ModelVersion.objects.filter(pk=model.pk).exclude(thinned_at=None).update(thinned_at=None)
            show_on_clips(model, ids)
            Clip.objects.filter(pk__in=ids, state=Clip.State.NEW).update(state=Clip.State.HEARD)
            TranscriptionFailure.objects.filter(model=model, clip__in=ids).delete()
        _record_failures(model, failed)


COLUMNS = {
    "clip_id": "int8",
    "text": "text",
    "confidence": "float8",
    "features": "text",
    "flags": "text[]",
    "tokens": "text",
    "words": "text",
    "embedding": "bytea",
}
_CREATE = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS heard ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"
    " ON COMMIT DELETE ROWS; DELETE FROM heard"
)
_INSERT = f"""
    WITH made AS (
        INSERT INTO {HYPOTHESIS} (clip_id, model_id, text, confidence, features, flags, created_at)
        SELECT clip_id, %(model)s, text, confidence, features::jsonb, flags, %(now)s
        FROM heard WHERE clip_id = ANY(%(clips)s) ORDER BY clip_id
        ON CONFLICT DO NOTHING RETURNING id, clip_id
    )
    INSERT INTO {DETAILS} (hypothesis_id, tokens, words, embedding)
    SELECT made.id, heard.tokens::jsonb, heard.words::jsonb, heard.embedding
    FROM made JOIN heard USING (clip_id) ORDER BY made.id"""


def _copy(rows: Sequence[Row]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with cursor.copy(f"COPY heard ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(list(COLUMNS.values()))
            for row in rows:
                copy.write_row(row)


def _hold(ids: list[int]) -> list[int]:
    """Those of `ids` that are still there, held until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {CLIP} WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [ids])
        return [pk for (pk,) in cursor.fetchall()]


def _record_failures(model: ModelVersion, failed: Sequence[Sounding]) -> None:
    TranscriptionFailure.objects.bulk_create(
        [
            TranscriptionFailure(
                clip=one.clip, model=model, error_id=one.error.error_id, error=str(one.error)
            )
            for one in sorted(failed, key=lambda one: one.clip.pk)
            if one.error
        ],
        update_conflicts=True,
        unique_fields=["clip", "model"],
        update_fields=["error_id", "error", "at"],
    )
