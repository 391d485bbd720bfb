"""What Label Studio calls."""

import json
import secrets

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from annotation.incidents import record_incident
from annotation.models import Round
from annotation.publishing import SECRET_HEADER
from annotation.rounds import start_sync
from earmark.speech.errors import EarmarkError

DELAY_SECONDS = 2.0
"""Submissions of a few seconds share one sync: each would cost Label Studio a listing."""
LONGEST_HINT = 64 * 1024
"""Bytes of a call's body that are read."""
CHECK = "Look who calls this address: only Label Studio's webhooks of our rounds should."


@csrf_exempt
@require_POST
def label_studio(request: HttpRequest, round_id: int) -> HttpResponse:
    """Something was submitted to the round: sync it soon. What the body says is not believed: the poll is the truth.

    Label Studio waits for the answer while the annotator waits for Label Studio, one second at most. A call that is
    not as Label Studio makes it is kept as an incident.
    """
    row = Round.objects.select_related("collection").filter(pk=round_id, project_id__isnull=False).first()
    given = request.headers.get(SECRET_HEADER, "")
    if not secrets.compare_digest(given.encode(), settings.EARMARK.webhook_secret.encode()):
        error = EarmarkError(
            "annotation:webhook:secret", f"A call to {request.path} did not know the secret.", CHECK
        )
        record_incident(error, round=row, said={"from": request.META.get("REMOTE_ADDR", "")})
        return HttpResponse(status=403)
    if row is None:
        error = EarmarkError(
            "annotation:webhook:unknown-round",
            f"Label Studio told of round {round_id}, which is not there.",
            CHECK,
        )
        record_incident(error, of=str(round_id), said={"path": request.path})
        raise Http404
    _require_hint(request, row)
    start_sync(round=row, delay_seconds=DELAY_SECONDS)
    return HttpResponse(status=202)


def _require_hint(request: HttpRequest, row: Round) -> None:
    """Keep as an incident a body that Label Studio cannot have sent: the sync it asks for does no harm."""
    body = request.read(LONGEST_HINT)
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    is_hint = isinstance(told, dict) and isinstance(told.get("action"), str)
    if not is_hint:
        error = EarmarkError(
            "annotation:webhook:malformed",
            f"A call about round {row.number} is none of Label Studio's hints.",
            CHECK,
        )
        record_incident(error, round=row, said={"body": body[:1000].decode(errors="replace")})
