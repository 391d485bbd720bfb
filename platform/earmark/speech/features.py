"""Log-mel spectra as the library's feature extractor makes them, of a clip's own samples only.

The extractor pads a clip with zeros to its window and raises everything to eight decades under the clip's loudest
bin, so the padding's frames are one constant: they need not be computed, only the frames that touch the clip.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from earmark.speech.kernels import product

FRAMES_PER_TOKEN = 8
"""Log-mel frames of one audio token: halved by the encoder's convolutions, four merged by the projector."""

_SMALLEST = 1e-10
_DECADES = 8.0


@dataclass(frozen=True)
class LogMel:
    """One clip in its window: `own` float32 [mels, frames that touch the clip], `floor` the value of all later frames.

    `frames` the window's, `spoken` those that begin within the clip.
    """

    own: torch.Tensor
    floor: float
    frames: int
    spoken: int

    @property
    def tokens(self) -> int:
        """Audio tokens the clip fills."""
        return self.encoded // (FRAMES_PER_TOKEN // 2)

    @property
    def encoded(self) -> int:
        """Frames of the encoder's output that lie within the clip, 50 a second."""
        return (self.spoken + 1) // 2

    def padded(self, frames: int | None = None) -> torch.Tensor:
        """The first `frames` frames of the window [mels, frames], all of them when None."""
        frames = self.frames if frames is None else frames
        filled = self.own[:, :frames]
        return F.pad(filled, (0, frames - filled.shape[1]), value=self.floor)


class LogMelMaker:
    """Makes `LogMel` by the settings of a `WhisperFeatureExtractor`; its dither, noise added on wish, is left out."""

    def __init__(self, extractor: Any) -> None:
        self.hop, self.points = int(extractor.hop_length), int(extractor.n_fft)
        self._hann = torch.hann_window(self.points)
        self._filters = torch.from_numpy(extractor.mel_filters.T.astype(np.float32)).contiguous()

    def tokens(self, samples: int) -> int:
        """Audio tokens of a clip of that many samples."""
        return (-(-samples // self.hop) + 1) // 2 // (FRAMES_PER_TOKEN // 2)

    def __call__(self, waveform: np.ndarray, window: int) -> LogMel:
        """Mono [n] at the extractor's rate, padded to `window` samples: n or more, a multiple of the hop."""
        reach = self.points // 2
        samples = torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))
        touched = min(window // self.hop, -(-(len(samples) + reach) // self.hop))
        needed = min(window, touched * self.hop + reach)
        padded = F.pad(samples, (0, needed - len(samples)))
        bins = torch.stft(padded, self.points, self.hop, window=self._hann, return_complex=True)[
            :, :touched
        ].T
        power = bins.real.square().addcmul_(bins.imag, bins.imag)
        decades = product(power, self._filters).clamp_(min=_SMALLEST).log10_()
        lowest = max(float(np.log10(np.float32(_SMALLEST))), float(decades.max()) - _DECADES)
        own = decades.clamp_(min=lowest).add_(4.0).div_(4.0).T
        return LogMel(own, (lowest + 4.0) / 4.0, window // self.hop, -(-len(samples) // self.hop))
