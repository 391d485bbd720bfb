"""`Idempotency-Key`: a request sent twice by a client that never saw the first answer does its work once."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from earmark.api.models import KeptAnswer
from earmark.speech.errors import EarmarkError

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)

Post = Callable[..., Response]


def once_per_key(post: Post) -> Post:
    """Wrap a view's `post`: with the header, the first answer is kept for 24 hours and given again to the same request.

    The work and its kept answer commit together, so a key never stands for work that was not done, and of two
    requests at the same time one waits for the other. Raises EarmarkError `api:idempotency:key` for an unusable
    key and `api:idempotency:mismatch` when the key came before with another request.
    """

    @wraps(post)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return post(view, request, *args, **kwargs)
        if not (0 < len(key) <= 200 and key.isprintable()):
            raise EarmarkError(
                "api:idempotency:key",
                _("The Idempotency-Key is empty, longer than 200 characters, or holds control characters."),
                _("Send a random UUID, a new one for each new request."),
            )
        digest = fingerprint(request)
        with transaction.atomic():
            KeptAnswer.objects.filter(user=view.person, created_at__lt=timezone.now() - KEPT_FOR).delete()
            kept, is_new = KeptAnswer.objects.get_or_create(
                user=view.person, key=key, defaults={"fingerprint": digest}
            )
            return _keep(kept, post(view, request, *args, **kwargs)) if is_new else _again(kept, digest)

    return answer


def _keep(kept: KeptAnswer, response: Response) -> Response:
    kept.status = response.status_code
    kept.body = response.data
    kept.location = response.headers.get("Location", "")
    kept.save(update_fields=["status", "body", "location"])
    return response


def _again(kept: KeptAnswer, digest: str) -> Response:
    if kept.fingerprint != digest:
        raise EarmarkError(
            "api:idempotency:mismatch",
            _("The Idempotency-Key {key} came before with another request.").format(key=repr(kept.key)),
            _("Use a new key for a new request; repeat a key only to repeat the very same request."),
        )
    headers = {"Idempotency-Replayed": "true"}
    if kept.location:
        headers["Location"] = kept.location
    return Response(kept.body, status=kept.status, headers=headers)


def fingerprint(request: Request) -> str:
    """SHA-256 of method, address and content; of an upload, its fields, file names and bytes, not its boundary."""
    data = request.data
    if isinstance(data, QueryDict):
        content: Any = sorted((name, [_content(value) for value in values]) for name, values in data.lists())
    else:
        content = data
    told = json.dumps([request.method, request.path, content], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _content(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return value
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return [value.name, digest.hexdigest()]
