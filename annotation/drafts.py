"""What somebody is writing about a clip on a desk of ours: saved as they type, found again after a reload."""

from datetime import datetime

from django.utils import timezone

from annotation.review_models import Draft
from earmark.accounts.models import User
from earmark.speech.errors import EarmarkError

LONGEST = 10_000
"""Characters a draft may have: thirty seconds of speech are a few hundred."""


def draft_of(*, clip_id: int, user: User) -> Draft | None:
    """What `user` has begun to write about the clip."""
    return Draft.objects.filter(clip=clip_id, user=user).first()


def save_draft(
    *, clip_id: int, user: User, text: str | None, expected: str, held: str, is_opening: bool = False
) -> Draft:
    """Keep `text`, written on sight of the version `expected` where `held` is that of now; None: what was kept stays.

    `is_opening`: the clip was shown just now, the time on it counts from here. Raises EarmarkError
    `annotation:draft:stale`.
    """
    if held != expected:
        raise EarmarkError(
            "annotation:draft:stale",
            f"Clip {clip_id} has changed since it was shown ({expected} then, {held} now).",
            "Look at what became of it before you go on.",
        )
    told = {"opened_at": timezone.now()} if is_opening else {}
    written = {} if text is None else {"text": text}
    draft, _ = Draft.objects.update_or_create(clip_id=clip_id, user=user, defaults={**told, **written})
    return draft


def take_draft(*, clip_id: int, user: User, now: datetime) -> float | None:
    """Remove the draft of a clip that was decided; how long it was open, seconds. None where none was kept."""
    draft = draft_of(clip_id=clip_id, user=user)
    if draft is None:
        return None
    draft.delete()
    return max(0.0, (now - draft.opened_at).total_seconds())
