"""Hear the clips of a batch whose texts are in doubt once more, perturbed, within a budget."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from django.conf import settings

from earmark.recognition.reading import Sounding
from earmark.speech.confidence import clip_confidence
from earmark.speech.engine import Engine, Heard
from earmark.speech.perturbation import WAYS, disagreements, near_decision


def heard_again(
    engine: Engine, batch: Sequence[Sounding], heard: list[Heard], languages: Sequence[str] | None
) -> list[Heard]:
    """Those whose prior is least decided also as they sound perturbed, within EARMARK_AGREEMENT_SHARE of the batch."""
    share = settings.EARMARK.agreement_share
    if not share:
        return heard
    seconds = [one.clip.seconds for one in batch]
    priors = [clip_confidence(one, length).value for one, length in zip(heard, seconds, strict=True)]
    chosen = near_decision(priors, seconds, share * sum(seconds) / len(WAYS))
    told = disagreements(
        engine,
        [batch[place].samples for place in chosen],
        [heard[place] for place in chosen],
        np.random.default_rng([one.clip.pk for one in batch]),
        languages=None if languages is None else [languages[place] for place in chosen],
    )
    found = dict(zip(chosen, told, strict=True))
    return [replace(one, disagreement=found.get(place)) for place, one in enumerate(heard)]
