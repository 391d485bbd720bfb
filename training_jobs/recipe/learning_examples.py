"""From a clip's entry to what a step takes of it: disturbed for the student, clean for the teacher, its tokens."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from earmark.speech.examples import check_clip, encode_text, window_samples
from earmark.speech.features import LogMel, LogMelMaker
from earmark.speech.model_folder import LoadedModel
from earmark.speech.prompting import request
from training_jobs.recipe.augmentation import disturb, mask_features
from training_jobs.recipe.forward import Sound, Spoken
from training_jobs.recipe.recipes import Augmentation


@dataclass(frozen=True)
class Example:
    """A clip to learn: `heard` by the student; `clean`, what the teacher hears of it; how much each token counts."""

    heard: Spoken
    clean: Spoken | None = None
    weight: float = 1.0

    @property
    def tokens(self) -> float:
        """What the clip counts in a mean over tokens."""
        return self.weight * len(self.heard.answer)

    @property
    def frames(self) -> int:
        """How long the clip is for the model: frames of its window, or of its encoding."""
        sound = self.heard.sound
        return sound.frames if isinstance(sound, LogMel) else 2 * len(sound)


class ExampleMaker:
    """Makes examples for one model. `encoded` gives what a frozen encoder makes of a clip's clean audio, by its key."""

    def __init__(
        self,
        loaded: LoadedModel,
        options: Augmentation,
        encoded: Callable[[str, LogMel], torch.Tensor] | None = None,
    ) -> None:
        self._loaded, self._options, self._encoded = loaded, options, encoded
        self._log_mel = LogMelMaker(loaded.processor.feature_extractor)
        self._request = request(loaded.processor, loaded.manifest.prompt)
        self._disturbs = _disturbs(options)

    def __call__(
        self,
        samples: np.ndarray,
        text: str,
        *,
        rng: np.random.Generator,
        weight: float = 1.0,
        taught: bool = False,
        key: str | None = None,
    ) -> Example:
        """An example of `samples` (float32 [n], 16 kHz) and `text`; `taught` where the teacher hears it, too.

        Everything random is drawn from `rng`. `key` names the clip where its encoding may be kept. Raises EarmarkError
        `speech:clip:*`.
        """
        check_clip(samples)
        end = self._loaded.end_token_ids[0]
        answer = (*encode_text(self._loaded, text), end)
        clean = self._sound(samples, key) if taught or not self._disturbs else None
        heard = self._disturbed(samples, rng) if self._disturbs or clean is None else clean
        asked = Spoken(clean, self._request, answer) if taught and clean is not None else None
        return Example(Spoken(heard, self._request, answer), asked, weight)

    def _sound(self, samples: np.ndarray, key: str | None) -> Sound:
        spectrum = self._log_mel(samples, window_samples(self._loaded, len(samples)))
        return spectrum if self._encoded is None or key is None else self._encoded(key, spectrum)

    def _disturbed(self, samples: np.ndarray, rng: np.random.Generator) -> LogMel:
        samples = disturb(samples, self._options, rng)
        clean = self._log_mel(samples, window_samples(self._loaded, len(samples)))
        masked = mask_features(clean.own[None], torch.tensor([clean.spoken]), self._options, rng)[0]
        return LogMel(masked, clean.floor, clean.frames, clean.spoken)


def _disturbs(options: Augmentation) -> bool:
    chances = (options.speed, options.noise_chance, options.reverb_chance)
    return any((*chances, options.frequency_masks, options.time_masks))
