"""What runs a loaded model's parts: on a CPU graphs of a small model, else PyTorch around the library's modules."""

from collections.abc import Sequence
from threading import Lock

import torch

from earmark.speech.cpu_graphs import EncoderGraphs, suits
from earmark.speech.cpu_language_model import GraphedLanguageModel
from earmark.speech.encoder import encode
from earmark.speech.features import LogMel
from earmark.speech.language_model import LanguageModel
from earmark.speech.model_folder import LoadedModel


class Runner:
    """One model's. `refresh` it where its weights may have changed; the rest is safe from several threads."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._lock = Lock()
        self._state: list[tuple[int, int]] | None = None
        self._encoder: EncoderGraphs | None = None
        self._language_model: GraphedLanguageModel | None = None

    def refresh(self) -> None:
        """Build graphs of the weights as they stand, unless there are such."""
        model = self.loaded.model
        with self._lock:
            state = [(weight.data_ptr(), weight._version) for weight in model.parameters()]
            if state == self._state:
                return
            self._encoder = self._language_model = None
            if suits(model):
                with torch.no_grad():
                    self._encoder = EncoderGraphs(model.model.audio_tower)
                    self._language_model = GraphedLanguageModel(model)
            self._state = state

    def language_model(self) -> LanguageModel | GraphedLanguageModel:
        """For decoders. Used in inference mode."""
        return self._language_model or LanguageModel(self.loaded.model)

    def encode(self, spectra: Sequence[LogMel]) -> list[torch.Tensor]:
        """See `encoder.encode`."""
        tower = self.loaded.model.model.audio_tower
        return encode(tower, spectra, device=self.loaded.device, graphs=self._encoder)
