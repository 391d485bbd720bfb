"""Writes: the text we hold to be true for a clip."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Max

from earmark.corpus.models import Clip, Reference


@transaction.atomic
def set_reference(*, clip_id: int, text: str, kind: str, author: str) -> Reference:
    """Make `text` the clip's current reference, as a new version; the same again is no new version.

    A clip that waits for nobody is labelled then. One that lies with annotators stays with them.
    The clip's row is locked, so that two writers number their versions one after the other.
    """
    Clip.objects.select_for_update(no_key=True).get(pk=clip_id)
    current = Reference.objects.filter(clip_id=clip_id, is_current=True).first()
    if current and (current.text, current.kind, current.author) == (text, kind, author):
        return current
    if current:
        Reference.objects.filter(pk=current.pk).update(is_current=False)
    Clip.objects.filter(pk=clip_id).exclude(state__in=(Clip.State.IN_ROUND, Clip.State.LABELLED)).update(
        state=Clip.State.LABELLED
    )
    last = Reference.objects.filter(clip_id=clip_id).aggregate(last=Max("version"))["last"] or 0
    return Reference.objects.create(clip_id=clip_id, text=text, kind=kind, author=author, version=last + 1)


@transaction.atomic
def withdraw_reference(*, clip_id: int, kinds: Collection[str]) -> None:
    """Hold the clip's current reference true no longer, where it is of one of `kinds`; the row stays.

    The clip's state is the caller's to set.
    """
    Clip.objects.select_for_update(no_key=True).get(pk=clip_id)
    Reference.objects.filter(clip_id=clip_id, is_current=True, kind__in=kinds).update(is_current=False)
