"""How far a hearing is trusted: by the model's own probabilities, or by what dev clips show them to be worth."""

from collections.abc import Sequence

import numpy as np

from earmark.speech.calibration import Assessed, Calibrator
from earmark.speech.calibration_fit import Audited, audited, fit
from training_jobs.recipe.hearing import Hearing
from training_jobs.recipe.manifest import ClipEntry


def scores(hearings: Sequence[Hearing], kind: str, calibrator: Calibrator | None) -> np.ndarray:
    """Trust in each hearing, float64 [n] in 0..1.

    `mean`: the mean probability of its tokens; `sequence`: the probability of all of them; `calibrated`: 1 - the
    error rate that `calibrator`, which must be given then, expects of it.
    """
    if kind == "calibrated":
        assert calibrator is not None
        _, rates = calibrator.assess([assessed(hearing) for hearing in hearings])
        return 1 - rates
    return np.array([getattr(hearing, kind) for hearing in hearings], np.float64)


def calibrated_on(
    hearings: Sequence[Hearing], entries: Sequence[ClipEntry], rng: np.random.Generator
) -> Calibrator:
    """What the teacher's doubts are worth, learned from `hearings` of dev clips, `entries`, whose texts are known.

    Raises EarmarkError `speech:calibration:too_few`.
    """
    return fit(audits(hearings, entries), rng)


def audits(hearings: Sequence[Hearing], entries: Sequence[ClipEntry]) -> list[Audited]:
    """Each hearing held against the text of its entry."""
    return [
        audited(
            assessed(hearing),
            text=hearing.text,
            reference=entries[hearing.index].text,
            language=entries[hearing.index].language,
        )
        for hearing in hearings
    ]


def assessed(hearing: Hearing) -> Assessed:
    return Assessed(hearing.prior, hearing.features, hearing.flags)
