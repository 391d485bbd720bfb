"""How well any text fits a clip, as the aligner of a model hears it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import engine_for

if TYPE_CHECKING:
    from earmark.speech.aligner import Alignment
    from earmark.speech.model_folder import LoadedModel


class Fitting:
    """A model's aligner. `threshold`: the misfit up to which a text is taken for what is said."""

    def __init__(self, loaded: "LoadedModel") -> None:
        from earmark.speech.alignment import require_aligner

        self._loaded, self._aligner = loaded, require_aligner(loaded)
        self.threshold = self._aligner.head.threshold

    def align(self, samples: np.ndarray, texts: Sequence[str]) -> "list[Alignment]":
        """Each of `texts` against the same clip, float32 [n] mono at 16 kHz, which is heard once.

        Raises EarmarkError `speech:clip:*` for a clip no model can hear.
        """
        from earmark.speech.alignment import encode_clips

        (encoded,) = encode_clips(self._loaded, [samples])
        return self._aligner.align_batch([encoded] * len(texts), texts)


def fitting(model: ModelVersion) -> Fitting | None:
    """The aligner of `model` on EARMARK_DEVICE; None where it has none.

    Raises EarmarkError `recognition:model:unavailable`, `recognition:remote:*`.
    """
    loaded = getattr(engine_for(model), "loaded", None)
    return Fitting(loaded) if loaded is not None and getattr(loaded, "aligner", None) else None
