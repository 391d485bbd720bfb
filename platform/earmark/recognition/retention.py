"""Thin what is wide: tokens, word times and embeddings of models that nobody looks at any more.

Texts, confidences and features stay for ever. Which models these are is decided above (`earmark.loop.retention`).
"""

from collections.abc import Callable, Collection

from django.db import connection

from earmark.jobs.registry import Context
from earmark.recognition.models import Hypothesis, HypothesisDetails

BATCH = 5_000
HYPOTHESIS, DETAILS = (model._meta.db_table for model in (Hypothesis, HypothesisDetails))


def thin(context: Context, superseded: Callable[[], Collection[int]]) -> int:
    """Delete the details of what the `superseded` models (ids) heard; returns how many hypotheses lost theirs.

    In short statements of BATCH rows, in the order of ids; `superseded` is asked anew before each, so that a model
    that is wanted again loses no more.
    """
    last = HypothesisDetails.objects.order_by("pk").values_list("pk", flat=True).last() or 0
    after, thinned = 0, 0
    while after < last and (models := superseded()):
        with connection.cursor() as cursor:
            cursor.execute(_THIN, {"after": after, "batch": BATCH, "models": list(models)})
            after, gone = cursor.fetchone()
        thinned += gone
        context.progress(min(after, last), last)
    return thinned


_THIN = f"""
    WITH stretch AS MATERIALIZED (
        SELECT hypothesis_id FROM {DETAILS} WHERE hypothesis_id > %(after)s ORDER BY hypothesis_id LIMIT %(batch)s
    ), gone AS (
        DELETE FROM {DETAILS} AS wide USING {HYPOTHESIS} AS heard, stretch
        WHERE wide.hypothesis_id = stretch.hypothesis_id AND heard.id = stretch.hypothesis_id
        AND heard.model_id = ANY(%(models)s)
        RETURNING 1
    )
    SELECT coalesce((SELECT max(hypothesis_id) FROM stretch), 9223372036854775807), (SELECT count(*) FROM gone)"""
