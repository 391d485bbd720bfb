"""Which clips show how far a model is to be trusted: drawn at random, labelled by people, not what it learned from."""

from django.db.models import QuerySet

from annotation.models import RoundClip
from earmark.accounts.models import User
from earmark.corpus.models import Clip, Collection
from earmark.datasets.models import SnapshotItem
from earmark.jobs.models import Job
from earmark.recognition.calibrating import heard_with_reference, submit_calibration
from earmark.recognition.calibrations import newest
from earmark.recognition.models import Alias, ModelVersion
from earmark.recognition.registry import champion, holder
from earmark.speech.calibration_fit import FEWEST


def audited_clips(collection: Collection, model: ModelVersion) -> list[int]:
    """Ids of the labelled clips that rounds of `collection` drew at random and `model` was not trained on.

    A model, and every one it descends from, is surer of texts it has seen than of others: what was labelled in their
    snapshots says nothing of the rest of the pool. Clips nobody could understand have no text to judge by.
    """
    drawn = RoundClip.objects.filter(
        round__collection=collection, reason=RoundClip.Reason.AUDIT, outcome=RoundClip.Outcome.LABELLED
    )
    free = Clip.objects.filter(pk__in=drawn.values("clip_id")).exclude(pk__in=_learned(model))
    return list(free.order_by("pk").values_list("pk", flat=True))


def _learned(model: ModelVersion) -> QuerySet[SnapshotItem, int]:
    """The clips whose texts `model` or one it descends from was trained on."""
    digests: set[str] = set()
    ancestor: ModelVersion | None = model
    while ancestor is not None:
        digests.add(str(ancestor.lineage.get("snapshot", "")))
        ancestor = ancestor.parent
    items = SnapshotItem.objects.filter(snapshot__digest__in=digests - {""}, text__isnull=False)
    return items.values_list("clip_id", flat=True)


def request_calibration(*, collection: Collection, by: User | None, model: ModelVersion | None = None) -> Job:
    """Queue the calibration of `model` (the champion unless given) on all that was audited so far.

    Raises EarmarkError `recognition:calibration:too_few`, and those of `registry.champion`.
    """
    model = model or champion(collection)
    clips = audited_clips(collection, model)
    return submit_calibration(collection=collection, model=model, clips=clips, by=by)


def calibrate_if_due(collection: Collection) -> Job | None:
    """Queue the calibration of the champion where there are enough audited clips, and more than the last time.

    One that its training fitted on dev clips counts for nothing then.
    """
    model = holder(collection, Alias.Name.CHAMPION)
    if model is None:
        return None
    clips = audited_clips(collection, model)
    before = newest(collection, model)
    known = before.clips if before and before.is_audited else 0
    if heard_with_reference(model, clips).count() < max(FEWEST, known + 1):
        return None
    return submit_calibration(collection=collection, model=model, clips=clips, by=None)
