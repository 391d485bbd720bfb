"""The champion's confidence and flags on the clips themselves, so that a million clips can be listed by them.

Kept in two places: where a model hears, and by a job when another model becomes champion.
"""

from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from earmark.accounts.models import User
from earmark.corpus.models import Clip, Collection
from earmark.jobs.models import Job
from earmark.jobs.registry import Context
from earmark.jobs.services import submit
from earmark.recognition.models import Alias, Hypothesis, ModelVersion

WINDOW = 2_000
CLIP, HYPOTHESIS, ALIAS = (model._meta.db_table for model in (Clip, Hypothesis, Alias))
HEARD = f"CASE WHEN clip.state = '{Clip.State.NEW.value}' THEN '{Clip.State.HEARD.value}' ELSE clip.state END"
"""With the rest in one update: every update of a clip is paid for by eleven indexes."""
FLAGS = "coalesce(array_to_string(heard.flags, ','), '')"


def show_on_clips(model: ModelVersion, ids: Sequence[int]) -> None:
    """Show on those clips of `ids` whose champion is `model` what it heard; in the transaction that wrote it.

    A clip that was new is heard then. The alias is held until the end, so that a change of champion comes before this
    or after it, never between.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT collection_id FROM {ALIAS} WHERE name = %s AND model_id = %s ORDER BY id FOR SHARE",
            [Alias.Name.CHAMPION.value, model.pk],
        )
        collections = [pk for (pk,) in cursor.fetchall()]
        if not collections:
            return
        cursor.execute(
            f"UPDATE {CLIP} AS clip SET state = {HEARD}, confidence = heard.confidence, flags = {FLAGS}"
            f" FROM {HYPOTHESIS} AS heard"
            " WHERE heard.clip_id = clip.id AND heard.model_id = %s AND clip.collection_id = ANY(%s)"
            " AND clip.id = ANY(%s)",
            [model.pk, collections, list(ids)],
        )


def submit_following(*, collection: Collection, by: User | None) -> Job:
    """Queue `follow_champion`; every change of champion is a job of its own."""
    return submit(
        "champion.follow",
        scope=collection.scope,
        key=f"follow:{collection.pk}:{timezone.now().isoformat()}",
        by=by,
        collection_id=collection.pk,
    )


def follow_champion(collection: Collection, context: Context | None = None) -> int:
    """Show on every clip of `collection` how sure its champion is; nothing where it has not heard the clip.

    In windows of WINDOW clips, each a short transaction that touches only what differs, in the order of ids.
    Returns how many clips changed.
    """
    ends = Clip.objects.filter(collection=collection).order_by("pk").values_list("pk", flat=True)
    last = ends.last() or 0
    start, changed = 0, 0
    while start < last:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_FOLLOW, {"collection": collection.pk, "after": start, "window": WINDOW})
            start, moved = cursor.fetchone()
        changed += moved
        if context:
            context.progress(min(start, last), last)
    return changed


_FOLLOW = f"""
    WITH stretch AS MATERIALIZED (
        SELECT id, confidence, flags FROM {CLIP}
        WHERE collection_id = %(collection)s AND id > %(after)s ORDER BY id LIMIT %(window)s
    ), champion AS (
        SELECT model_id FROM {ALIAS} WHERE collection_id = %(collection)s AND name = 'champion'
    ), differing AS MATERIALIZED (
        SELECT stretch.id, heard.confidence, {FLAGS} AS flags
        FROM stretch LEFT JOIN champion ON TRUE
        LEFT JOIN {HYPOTHESIS} AS heard ON heard.clip_id = stretch.id AND heard.model_id = champion.model_id
        WHERE (stretch.confidence, stretch.flags) IS DISTINCT FROM (heard.confidence, {FLAGS})
    ), held AS MATERIALIZED (
        SELECT id FROM {CLIP} WHERE id IN (SELECT id FROM differing) ORDER BY id FOR NO KEY UPDATE
    ), changed AS (
        UPDATE {CLIP} AS clip SET confidence = differing.confidence, flags = differing.flags
        FROM differing JOIN held USING (id) WHERE clip.id = differing.id RETURNING 1
    )
    SELECT coalesce((SELECT max(id) FROM stretch), 9223372036854775807), (SELECT count(*) FROM changed)"""
