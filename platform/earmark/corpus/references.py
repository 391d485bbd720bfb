"""Writes: the text we hold to be true for a clip."""

from django.db import transaction

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
    return Reference.objects.create(
        clip_id=clip_id, text=text, kind=kind, author=author, version=current.version + 1 if current else 1
    )
