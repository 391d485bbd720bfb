"""Decoders that are worth keeping: on CUDA one is a captured graph, of the same shapes from call to call."""

from dataclasses import dataclass, replace
from threading import Lock

from earmark.speech.greedy import Decoder
from earmark.speech.runner import Runner

_ROUND = 128


@dataclass(frozen=True)
class Size:
    """`slots` that write at once, `room` places of prompt and answer in each, at most `longest` tokens of answer."""

    slots: int
    room: int
    longest: int

    def rounded(self) -> "Size":
        """A size that is rarely another, at least as large: slots a power of two, the rest multiples of 128."""
        room, longest = (-(-each // _ROUND) * _ROUND for each in (self.room, self.longest))
        return Size(1 << (self.slots - 1).bit_length(), room, longest)


class Shelf:
    """Keeps the decoder that was used last, on CUDA. Elsewhere one costs little and copies weights: it is made anew."""

    def __init__(self) -> None:
        self._kept: dict[Size, Decoder] = {}
        self._lock = Lock()

    def take(self, runner: Runner, size: Size) -> Decoder:
        """A decoder of that size, all slots free, for one user at a time. In inference mode."""
        with self._lock:
            kept = self._kept.pop(size, None)
        ends, model = runner.loaded.end_token_ids, runner.language_model()
        return kept or Decoder(model, ends, slots=size.slots, room=size.room, longest=size.longest)

    def put_back(self, decoder: Decoder, size: Size) -> None:
        """After use, when no row is being written any more."""
        if decoder.keeps:
            with self._lock:
                self._kept = {size: decoder}


def fitting(size: Size, *, places: int, rounded: bool) -> Size:
    """`size`, rounded where wanted, with so few slots that there are at most `places` in all."""
    size = size.rounded() if rounded else size
    return replace(size, slots=max(1, min(size.slots, places // size.room)))
