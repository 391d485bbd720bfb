"""What the answers to a clip of a round amount to comes to count: the reference, the outcome, the clip's state."""

from annotation.answers import verdict
from annotation.models import RoundClip
from annotation.sync import may_set_state
from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference


def settle(one: RoundClip) -> None:
    """Within a transaction that holds the clip's row."""
    clip = Clip.objects.get(pk=one.clip_id)
    found = verdict(list(one.annotations.filter(deleted_at=None).order_by("updated_at", "pk")))
    if found is None:
        return
    if found.outcome == RoundClip.Outcome.LABELLED:
        set_reference(clip_id=clip.pk, text=found.text, kind=Reference.Kind.ANNOTATOR, author=found.author)
    if may_set_state(one, clip, found.outcome):
        Clip.objects.filter(pk=clip.pk).update(state=found.outcome.value)
    one.outcome = found.outcome
    one.save(update_fields=["outcome"])
