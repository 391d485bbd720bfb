"""The request put to the model: the token ids before and behind a clip's audio tokens."""

from typing import Any, NamedTuple

import numpy as np

_PROBE = np.zeros(1, np.float32)


class Request(NamedTuple):
    """Token ids of the prompt before the audio and behind it, as the processor's chat template writes them."""

    before: tuple[int, ...]
    behind: tuple[int, ...]


def request(processor: Any, prompt: str | None) -> Request:
    """What the processor would ask with `prompt`, None for its own. The audio's placeholder splits it."""
    (text,) = processor.apply_transcription_request([_PROBE], prompt=prompt, tokenize=False)
    before, behind = text.split(processor.audio_token, 1)
    first, second = (
        processor.tokenizer(part, add_special_tokens=special)["input_ids"]
        for part, special in ((before, True), (behind, False))
    )
    return Request(tuple(first), tuple(second))
