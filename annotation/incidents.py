"""What came from outside and could not be taken as it came: kept, once each, in bounded room."""

import json
from hashlib import blake2b
from typing import Any

from django.db.models import F
from django.utils import timezone

from annotation.models import Round
from annotation.review_models import Incident
from earmark.corpus.models import Collection
from earmark.speech.errors import EarmarkError

MOST = 500
"""Different incidents kept under one error id; what comes beyond is counted with the newest of them."""
LONGEST = 4_000
"""Characters kept of what came."""


def record_incident(
    error: EarmarkError,
    *,
    said: Any = None,
    collection: Collection | None = None,
    round: Round | None = None,
    of: str = "",
    again: bool = True,
) -> Incident:
    """Keep what `said` and what was wrong with it.

    `of` tells it from others of the same error and round: the same again is the same row, counted where `again`.
    """
    told = f"{error.error_id}|{round.pk if round else ''}|{collection.pk if collection else ''}|{of}"
    fingerprint = blake2b(told.encode(), digest_size=32).hexdigest()
    found = Incident.objects.filter(fingerprint=fingerprint).first() or _newest_if_full(error.error_id)
    if found is None:
        found, is_new = Incident.objects.get_or_create(
            fingerprint=fingerprint,
            defaults={
                "collection": round.collection if round else collection,
                "round": round,
                "error_id": error.error_id,
                "error": str(error)[:LONGEST],
                "said": bounded(said),
            },
        )
        if is_new:
            return found
    if again or found.fingerprint != fingerprint:
        Incident.objects.filter(pk=found.pk).update(times=F("times") + 1, last_at=timezone.now())
    return found


def _newest_if_full(error_id: str) -> Incident | None:
    kept = Incident.objects.filter(error_id=error_id)
    return kept.order_by("-pk").first() if kept.count() >= MOST else None


def bounded(said: Any) -> Any:
    """`said` as it is where it is JSON of bearable size, else its beginning as text."""
    try:
        text = json.dumps(said, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        text = repr(said)
        said = None
    is_bearable = said is not None and len(text) <= LONGEST and "\\u0000" not in text
    return said if is_bearable else {"beginning": text[:LONGEST].replace("\x00", "")}
