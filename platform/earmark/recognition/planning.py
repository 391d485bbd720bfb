"""Cut what a run is about into shards: one statement, whatever the number of clips."""

from django.db import connection, transaction
from django.db.models import Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.db.models.fields import BooleanField
from django.utils import timezone

from earmark.corpus.models import Clip, ImportFile
from earmark.recognition.models import Hypothesis
from earmark.recognition.queries import unheard
from earmark.recognition.run_models import Priority, TranscriptionRun, TranscriptionShard
from earmark.recognition.transcription import clips_for
from earmark.speech.errors import EarmarkError

SHARDS_WANTED = 64
SHORTEST_SECONDS, LONGEST_SECONDS = 900.0, 21_600.0
"""A shard is a 64th of the run, so that many hosts share it, within a quarter of an hour and six hours of audio."""

NARROWED_BY = {
    "language": "language",
    "dialect": "dialect",
    "recording": "recording_id",
    "brought_by": "recording__in",
}


def narrowing(asked: dict[str, object]) -> dict[str, object]:
    """`asked` without what is empty. Raises EarmarkError `recognition:transcription:narrowed` for another name."""
    unknown = sorted(set(asked) - set(NARROWED_BY))
    if unknown:
        raise EarmarkError(
            "recognition:transcription:narrowed",
            f"Clips cannot be narrowed by {', '.join(unknown)}.",
            f"Choose among {', '.join(NARROWED_BY)}.",
        )
    return {name: value for name, value in sorted(asked.items()) if value not in (None, "")}


def clips_of(run: TranscriptionRun) -> QuerySet[Clip]:
    """The clips `run` is about, heard or not."""
    wanted = {NARROWED_BY[name]: value for name, value in run.narrowed.items()}
    if "brought_by" in run.narrowed:
        brought = ImportFile.objects.filter(of=run.narrowed["brought_by"]).exclude(recording=None)
        wanted["recording__in"] = brought.values("recording")
    return clips_for(run.collection, run.only).filter(**wanted)


def plan(run: TranscriptionRun) -> int:
    """Cut what the run's model has not heard and no shard of the run holds; returns the number of shards.

    Clips that nobody has heard and those that another model has heard come into different shards.
    """
    table = TranscriptionShard._meta.db_table
    todo, parameters = _todo(run).query.sql_with_params()
    with transaction.atomic(), connection.cursor() as cursor:
        TranscriptionRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        cursor.execute(
            f"""
            WITH held AS (
                SELECT unnest(clip_ids) AS id FROM {table} WHERE run_id = %s AND status IN ('waiting', 'running')
            ), todo AS MATERIALIZED ({todo}), placed AS (
                SELECT id, seconds, is_new, floor(
                    sum(seconds) OVER (PARTITION BY is_new ORDER BY id)
                    / greatest(%s, least(%s, (SELECT sum(seconds) FROM todo) / %s))
                ) AS part FROM todo WHERE NOT EXISTS (SELECT FROM held WHERE held.id = todo.id)
            )
            INSERT INTO {table} (run_id, queue, priority, first_clip, last_clip, clip_ids, clips, seconds, status,
                carrier_attempt, attempts, heard, failures, seconds_done, busy_seconds, error_id, error)
            SELECT %s, %s, CASE WHEN %s THEN {Priority.URGENT.value} WHEN is_new THEN {Priority.NEW.value}
                ELSE {Priority.AGAIN.value} END, min(id), max(id), array_agg(id ORDER BY id), count(*), sum(seconds),
                'waiting', 0, 0, 0, '{{}}', 0, 0, '', ''
            FROM placed GROUP BY is_new, part ORDER BY is_new DESC, part""",
            [
                run.pk,
                *parameters,
                SHORTEST_SECONDS,
                LONGEST_SECONDS,
                SHARDS_WANTED,
                run.pk,
                run.queue,
                run.is_urgent,
            ],
        )
        made = cursor.rowcount
        run.planned_at, run.asked_again = timezone.now(), False
        run.save(update_fields=["planned_at", "asked_again"])
    return made


def _todo(run: TranscriptionRun) -> QuerySet[Clip, tuple[object, ...]]:
    """`id`, `seconds` and `is_new` of what is still to be heard, in no order."""
    heard_by_any = Exists(Hypothesis.objects.filter(clip=OuterRef("pk")))
    is_new = ExpressionWrapper(~Q(heard_by_any), output_field=BooleanField())
    return (
        unheard(clips_of(run), run.model)
        .order_by()
        .annotate(is_new=is_new)
        .values_list("id", "seconds", "is_new")
    )
