"""Writes: what came from outside and could not be taken as it came."""

import json
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotation.models import Round
from annotation.review_models import Incident
from earmark.corpus.models import Collection
from earmark.speech.errors import EarmarkError

LARGEST_KEPT = 20_000
"""Characters kept of what came, as JSON."""


def record_incident(
    error: EarmarkError, *, said: Any = None, collection: Collection | None = None, round: Round | None = None
) -> Incident:
    """Keep what came with what was wrong with it; the same error again counts up, with the newest of what came."""
    where = {"error_id": error.error_id, "collection": collection, "round": round}
    with transaction.atomic():
        known = Incident.objects.select_for_update().filter(**where).first()
        if known is None:
            return Incident.objects.create(**where, error=str(error), said=_kept(said))
        told = {"error": str(error), "said": _kept(said), "times": F("times") + 1, "last_at": timezone.now()}
        Incident.objects.filter(pk=known.pk).update(**told)
    known.refresh_from_db()
    return known


def _kept(said: Any) -> Any:
    """`said` as JSON that PostgreSQL takes, cut where it is too long."""
    text = json.dumps(said, default=str, ensure_ascii=False).replace("\\u0000", "")
    if len(text) > LARGEST_KEPT:
        return {"cut": text[:LARGEST_KEPT]}
    return json.loads(text)
