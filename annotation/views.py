"""What Label Studio calls."""

import secrets

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from annotation.models import Round
from annotation.publishing import SECRET_HEADER
from annotation.rounds import start_sync

DELAY_SECONDS = 2.0
"""Submissions of a few seconds share one sync: each would cost Label Studio a listing."""


@csrf_exempt
@require_POST
def label_studio(request: HttpRequest, round_id: int) -> HttpResponse:
    """Something was submitted to the round: sync it soon. The body is not read: the poll is the truth.

    Label Studio waits for the answer while the annotator waits for Label Studio, one second at most.
    """
    given = request.headers.get(SECRET_HEADER, "")
    if not secrets.compare_digest(given.encode(), settings.EARMARK.webhook_secret.encode()):
        return HttpResponse(status=403)
    row = Round.objects.select_related("collection").filter(pk=round_id, project_id__isnull=False).first()
    if row is None:
        raise Http404
    start_sync(round=row, delay_seconds=DELAY_SECONDS)
    return HttpResponse(status=202)
