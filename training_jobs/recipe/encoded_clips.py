"""What a frozen encoder makes of clean clips: worked out once for each and kept while there is room.

A clip is always encoded alone, so that what is kept and what is worked out again is the same, bit for bit.
"""

import threading
from typing import Any

import torch

from earmark.speech.encoder import encode
from earmark.speech.features import FRAMES_PER_TOKEN, LogMel


class EncodedClips:
    """Encodings [4 audio tokens, H] by a clip's key, at most `megabytes` of them. Threads may share it."""

    def __init__(self, tower: Any, device: torch.device, megabytes: int) -> None:
        self._tower, self._device = tower, device
        self._room = megabytes * 2**20
        self._kept: dict[str, torch.Tensor] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str, spectrum: LogMel) -> torch.Tensor:
        """What the encoder makes of the clip `key`, whose spectrum that is."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            return kept
        with torch.inference_mode():
            (frames,) = encode(self._tower, [spectrum], device=self._device)
            own = frames[: spectrum.tokens * (FRAMES_PER_TOKEN // 2)].cpu()
        made = own.clone()
        size = made.numel() * made.element_size()
        with self._lock:
            if key not in self._kept and size <= self._room:
                self._room -= size
                self._kept[key] = made
        return made
