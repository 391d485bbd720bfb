"""Signed links to a clip's audio, for players that bring no session: Label Studio's, and notebooks."""

import time

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils.translation import gettext as _

from earmark.speech.errors import EarmarkError

_signer = Signer(salt="earmark.corpus.clip-audio", sep=".")


def clip_url(clip_id: int, *, lifetime_seconds: float) -> str:
    """The absolute address of the clip's audio, open to whoever holds it for `lifetime_seconds` from now."""
    path = reverse("corpus:clip-audio", args=[clip_id])
    return (
        f"{settings.EARMARK.site_url}{path}?sig={sign(clip_id, expires=int(time.time() + lifetime_seconds))}"
    )


def sign(clip_id: int, *, expires: int) -> str:
    """The signature that opens one clip until `expires` (Unix seconds)."""
    return _signer.sign(f"{clip_id}.{expires}").partition(".")[2]


def check(clip_id: int, signature: str) -> None:
    """Raise EarmarkError `corpus:link:invalid` or `corpus:link:expired` unless `signature` opens the clip now."""
    try:
        expires = int(_signer.unsign(f"{clip_id}.{signature}").rpartition(".")[2])
    except (BadSignature, ValueError):
        raise EarmarkError(
            "corpus:link:invalid",
            _("This link does not open clip %(id)s.") % {"id": clip_id},
            _("Ask for a new link; do not edit one."),
        ) from None
    if expires < time.time():
        raise EarmarkError(
            "corpus:link:expired",
            _("The link to clip %(id)s has expired.") % {"id": clip_id},
            _("Open the task again from its round, or ask for a new link."),
        )
