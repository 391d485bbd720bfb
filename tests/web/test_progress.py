"""The progress page's histogram of the champion's confidence."""

import pytest

from earmark.corpus.models import Clip
from earmark.web.queries.progress import confidences
from tests.web.factories import World

pytestmark = pytest.mark.django_db


def test_both_ends_lie_in_bins_and_only_current_heard_clips_count(world: World) -> None:
    Clip.objects.update(confidence=None)
    ids = [clip.pk for clip in world.clips]
    for pk, confidence in zip(ids, (0.0, 0.049, 0.05, 0.5, 0.951, 1.0), strict=False):
        Clip.objects.filter(pk=pk).update(confidence=confidence)
    Clip.objects.filter(pk=ids[6]).update(confidence=0.5, is_current=False)
    wanted = dict.fromkeys(range(20), 0) | {0: 2, 1: 1, 10: 1, 19: 2}
    assert confidences(world.collection) == [wanted[bin] for bin in range(20)]
