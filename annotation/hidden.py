"""Clips whose answer is known, hidden among the others of a round to measure the people who are asked."""

import numpy as np
from django.db.models import Count, Q

from annotation.models import RoundClip
from earmark.corpus.models import Clip, Collection, Reference, Split
from earmark.corpus.queries import usable
from earmark.recognition.models import Hypothesis, ModelVersion


def draw_known(
    collection: Collection, model: ModelVersion, *, count: int, seed: int
) -> list[tuple[int, int | None]]:
    """Up to `count` clips of the training side whose current reference is adjudicated, with what `model` heard there.

    Those asked least often as known first, at random among them: who meets a clip again and again knows its text by
    heart. Returns (clip, hypothesis or None) ids. The clips themselves stay as they are: their answers measure people.
    """
    if count < 1:
        return []
    asked = Count("round_clips", filter=Q(round_clips__reason=RoundClip.Reason.KNOWN))
    settled = Clip.objects.filter(
        usable(),
        collection=collection,
        split=Split.TRAIN,
        references__is_current=True,
        references__kind=Reference.Kind.ADJUDICATED,
    ).exclude(state=Clip.State.IN_ROUND)
    times = dict(settled.annotate(asked=asked).order_by("pk").values_list("pk", "asked"))
    order = np.random.default_rng([seed, 4]).permutation(len(times))
    rank = dict(zip(times, order, strict=True))
    chosen = sorted(times, key=lambda pk: (times[pk], rank[pk]))[:count]
    heard = dict(Hypothesis.objects.filter(model=model, clip__in=chosen).values_list("clip_id", "pk"))
    return [(pk, heard.get(pk)) for pk in chosen]
