"""The champion's confidence and flags on the clips themselves, so that a million clips can be listed by them.

Kept in two places: where a model hears, and by a job when another model becomes champion or is calibrated. Where the
champion is calibrated in a collection, a clip's confidence is the probability that its text is right, and the error
rate to expect of it is known; before that it is the prior, and no error rate is.
"""

from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from earmark.accounts.models import User
from earmark.corpus.models import Clip, Collection
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.calibrations import calibrator_of, newest, newest_in
from earmark.recognition.models import Alias, Hypothesis, ModelVersion
from earmark.speech.calibration import Assessed, Calibrator

FOLLOW = "champion.follow"
WINDOW = 2_000
CLIP, HYPOTHESIS, ALIAS = (model._meta.db_table for model in (Clip, Hypothesis, Alias))
HEARD = f"CASE WHEN clip.state = '{Clip.State.NEW.value}' THEN '{Clip.State.HEARD.value}' ELSE clip.state END"
"""With the rest in one update: every update of a clip is paid for by eleven indexes."""
FLAGS = "coalesce(array_to_string(heard.flags, ','), '')"

Shown = tuple[float | None, float | None, str]
"""What a clip shows: confidence, expected error rate, flags."""
NOTHING: Shown = (None, None, "")


def show_on_clips(model: ModelVersion, ids: Sequence[int]) -> None:
    """Show on those clips of `ids` whose champion is `model` what it heard; in the transaction that wrote it.

    A clip that was new is heard then. The alias is held until the end, so that a change of champion, and a new
    calibration of it, comes before this or after it, never between.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT collection_id FROM {ALIAS} WHERE name = %s AND model_id = %s ORDER BY id FOR SHARE",
            [Alias.Name.CHAMPION.value, model.pk],
        )
        collections = [pk for (pk,) in cursor.fetchall()]
        if not collections:
            return
        calibrations = newest_in(collections, model)
        for pk, calibration in calibrations.items():
            own = Clip.objects.filter(collection=pk, pk__in=ids).order_by("pk").values_list("pk", flat=True)
            _write(_shown(list(own), model, calibrator_of(calibration)))
        cursor.execute(
            f"UPDATE {CLIP} AS clip SET state = {HEARD}, confidence = heard.confidence, flags = {FLAGS},"
            f" expected_error_rate = NULL FROM {HYPOTHESIS} AS heard"
            " WHERE heard.clip_id = clip.id AND heard.model_id = %s AND clip.collection_id = ANY(%s)"
            " AND clip.id = ANY(%s)",
            [model.pk, [pk for pk in collections if pk not in calibrations], list(ids)],
        )


def _shown(ids: Sequence[int], model: ModelVersion, calibrator: Calibrator) -> dict[int, Shown]:
    """What those of the clips `ids` that `model` heard are to show."""
    rows = list(
        Hypothesis.objects.filter(model=model, clip__in=ids).values_list(
            "clip_id", "confidence", "features", "flags"
        )
    )
    right, rate = calibrator.assess([Assessed(prior, features, flags) for _, prior, features, flags in rows])
    return {
        pk: (float(right[place]), float(rate[place]), ",".join(flags))
        for place, (pk, _prior, _features, flags) in enumerate(rows)
    }


def _write(shown: dict[int, Shown]) -> None:
    """Write it, in the order of ids; a clip that was new and has something to show is heard then."""
    ids = sorted(shown)
    confidence, rate, flags = ([shown[pk][column] for pk in ids] for column in range(3))
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [ids, confidence, rate, flags])


_WRITE = f"""
    UPDATE {CLIP} AS clip
    SET state = CASE WHEN told.confidence IS NULL THEN clip.state ELSE {HEARD} END,
        confidence = told.confidence, expected_error_rate = told.rate, flags = told.flags
    FROM unnest(%s::bigint[], %s::float8[], %s::float8[], %s::text[]) AS told (id, confidence, rate, flags)
    WHERE clip.id = told.id"""


def submit_following(*, collection: Collection, by: User | None) -> Job:
    """Queue `follow_champion`; every change of champion, and every calibration of it, is a job of its own."""
    return submit(
        FOLLOW,
        scope=collection.scope,
        key=f"follow:{collection.pk}:{timezone.now().isoformat()}",
        by=by,
        collection_id=collection.pk,
    )


def is_following(collection: Collection) -> bool:
    """Whether clips of `collection` still show what holds no more."""
    return Job.objects.unfinished().filter(scope=collection.scope, kind=FOLLOW).exists()


def follow_champion(collection: Collection, context: Context | None = None) -> int:
    """Show on every clip of `collection` how sure its champion is; nothing where it has not heard the clip.

    In windows of WINDOW clips, each a short transaction that touches only what differs, in the order of ids.
    Returns how many clips changed.
    """
    ends = Clip.objects.filter(collection=collection).order_by("pk").values_list("pk", flat=True)
    last = ends.last() or 0
    start, changed = 0, 0
    while start < last:
        with transaction.atomic():
            start, moved = _follow_window(collection, start)
        changed += moved
        if context:
            context.progress(min(start, last), last)
    return changed


def _follow_window(collection: Collection, after: int) -> tuple[int, int]:
    """Show the next WINDOW clips after that id; returns the last id looked at and how many clips changed.

    The alias is held until the end, as in `show_on_clips`: whoever follows a later champion finds what this wrote.
    """
    alias = _held_champion(collection)
    calibration = newest(collection, alias.model) if alias else None
    if alias is None or calibration is None:
        with connection.cursor() as cursor:
            cursor.execute(_FOLLOW, {"collection": collection.pk, "after": after, "window": WINDOW})
            return tuple(cursor.fetchone())
    calibrator = calibrator_of(calibration)
    page = Clip.objects.filter(collection=collection, pk__gt=after).order_by("pk")
    held = _as_shown(page[:WINDOW])
    if not held:
        return 2**63 - 1, 0
    suspects = _differing(held, _shown(list(held), alias.model, calibrator))
    # what is written meanwhile is held back by the rows' locks, so that this reads what holds when it writes
    locked = (
        Clip.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=list(suspects)).order_by("pk")
    )
    now = _as_shown(locked)
    changes = _differing(now, _shown(list(now), alias.model, calibrator))
    _write(changes)
    return max(held), len(changes)


def _held_champion(collection: Collection) -> Alias | None:
    """The collection's champion, who stays it until the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {ALIAS} WHERE collection_id = %s AND name = %s FOR SHARE",
            [collection.pk, Alias.Name.CHAMPION.value],
        )
        found = cursor.fetchone()
    return Alias.objects.select_related("model").get(pk=found[0]) if found else None


def _as_shown(clips: QuerySet[Clip]) -> dict[int, Shown]:
    """What each of `clips` shows now."""
    rows = clips.values_list("pk", "confidence", "expected_error_rate", "flags")
    return {pk: (confidence, rate, flags) for pk, confidence, rate, flags in rows}


def _differing(held: dict[int, Shown], wanted: dict[int, Shown]) -> dict[int, Shown]:
    """What has to change for `held` to be as `wanted`; a clip that was not heard shows nothing."""
    return {pk: wanted.get(pk, NOTHING) for pk in held if held[pk] != wanted.get(pk, NOTHING)}


_FOLLOW = f"""
    WITH stretch AS MATERIALIZED (
        SELECT id, confidence, expected_error_rate, flags FROM {CLIP}
        WHERE collection_id = %(collection)s AND id > %(after)s ORDER BY id LIMIT %(window)s
    ), champion AS (
        SELECT model_id FROM {ALIAS} WHERE collection_id = %(collection)s AND name = 'champion'
    ), differing AS MATERIALIZED (
        SELECT stretch.id, heard.confidence, {FLAGS} AS flags
        FROM stretch LEFT JOIN champion ON TRUE
        LEFT JOIN {HYPOTHESIS} AS heard ON heard.clip_id = stretch.id AND heard.model_id = champion.model_id
        WHERE (stretch.confidence, stretch.expected_error_rate, stretch.flags)
            IS DISTINCT FROM (heard.confidence, NULL, {FLAGS})
    ), held AS MATERIALIZED (
        SELECT id FROM {CLIP} WHERE id IN (SELECT id FROM differing) ORDER BY id FOR NO KEY UPDATE
    ), changed AS (
        UPDATE {CLIP} AS clip
        SET confidence = differing.confidence, expected_error_rate = NULL, flags = differing.flags
        FROM differing JOIN held USING (id) WHERE clip.id = differing.id RETURNING 1
    )
    SELECT coalesce((SELECT max(id) FROM stretch), 9223372036854775807), (SELECT count(*) FROM changed)"""
