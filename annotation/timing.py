"""How long somebody took between two submissions, by the clock of Label Studio's server."""

from datetime import datetime, timedelta

from django.db import connection

from annotation.models import Annotation, Round, RoundClip
from annotation.plans import plan_of
from earmark.corpus.models import Clip, Collection

ANNOTATION, ROUND_CLIP, ROUND, CLIP = (model._meta.db_table for model in (Annotation, RoundClip, Round, Clip))
LONGEST_CLIP = timedelta(seconds=30)

_FILL = f"""
WITH told AS (
    SELECT given.id, given.created_at, clip.seconds,
        extract(epoch FROM given.created_at - lag(given.created_at) OVER person) AS gap
    FROM {ANNOTATION} AS given
    JOIN {ROUND_CLIP} AS one ON one.id = given.round_clip_id
    JOIN {ROUND} AS round ON round.id = one.round_id
    JOIN {CLIP} AS clip ON clip.id = one.clip_id
    WHERE round.collection_id = %(collection)s AND given.created_at >= %(from)s
    WINDOW person AS (PARTITION BY given.annotator ORDER BY given.created_at, given.id)
), counted AS (
    SELECT id, CASE WHEN gap <= %(idle)s + seconds THEN gap END AS seconds FROM told WHERE created_at >= %(since)s
)
UPDATE {ANNOTATION} AS given SET server_seconds = counted.seconds FROM counted
WHERE given.id = counted.id AND given.server_seconds IS DISTINCT FROM counted.seconds"""


def fill_server_seconds(collection: Collection, *, since: datetime) -> None:
    """Note for every submission from `since` on the seconds since the same person's submission before it.

    Nothing where there is none before it, or where more time went by than the clip's own length and what the labelling
    plan calls idle: nobody knows then how much of it was work. All are looked at together, for a sync reads them in the
    order of tasks, not of time.
    """
    idle = plan_of(collection).idle_seconds
    with connection.cursor() as cursor:
        cursor.execute(
            _FILL,
            {
                "collection": collection.pk,
                "since": since,
                "from": since - timedelta(seconds=idle) - LONGEST_CLIP,
                "idle": idle,
            },
        )
