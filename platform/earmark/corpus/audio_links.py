"""Signed links to a clip's audio, for players that bring no session: Label Studio's, and notebooks."""

import time

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils.translation import gettext as _

from earmark.speech.errors import EarmarkError

_signer = Signer(salt="earmark.corpus.clip-audio", sep=".")


MARGIN_SECONDS = 2.0
"""What is heard before and after a clip where somebody wants to know what it is part of."""


def clip_url(clip_id: int, *, lifetime_seconds: float, margin: float = 0.0) -> str:
    """The absolute address of the clip's audio, open to whoever holds it for `lifetime_seconds` from now.

    With a `margin` in seconds it plays as much more on either side, where the recording has it.
    """
    path = reverse("corpus:clip-audio", args=[clip_id])
    signature = sign(clip_id, expires=int(time.time() + lifetime_seconds), margin=margin)
    return f"{settings.EARMARK.site_url}{path}?sig={signature}"


def sign(clip_id: int, *, expires: int, margin: float = 0.0) -> str:
    """The signature that opens one clip with that margin, a thousandth of a second at the finest, until `expires`.

    `expires`: Unix seconds.
    """
    thousandths = round(margin * 1000)
    wide = f".{thousandths}" if thousandths else ""
    return _signer.sign(f"{clip_id}.{expires}{wide}").partition(".")[2]


def check(clip_id: int, signature: str) -> float:
    """How much more than the clip `signature` opens now, in seconds on either side.

    Raises EarmarkError `corpus:link:invalid` or `corpus:link:expired` where it does not open the clip.
    """
    try:
        opened = _signer.unsign(f"{clip_id}.{signature}").split(".")[1:]
        expires, margin = int(opened[0]), int(opened[1]) / 1000 if len(opened) > 1 else 0.0
    except (BadSignature, ValueError, IndexError):
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
    return margin
