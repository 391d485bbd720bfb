"""Batches of clips of similar length: little padding, bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.speech.errors import EarmarkError


@dataclass(frozen=True)
class Room:
    """What a batch may hold: so many `rows`, and so many `places` of prompt and answer, padding included."""

    rows: int
    places: int


def length_sorted_batches(seconds: Sequence[float], max_seconds: float) -> list[list[int]]:
    """Indices of clips in batches, longest first, each batch at most `max_seconds` of padded audio.

    The padded audio of a batch is its longest clip times its size; a clip longer than `max_seconds` is
    alone. The longest come first so that a batch that does not fit in memory fails at the start. Equal
    lengths keep their order. Raises EarmarkError `speech:batching:size` unless `max_seconds` is above 0.
    """
    if not max_seconds > 0:
        raise EarmarkError(
            "speech:batching:size",
            f"A batch of at most {max_seconds!r} seconds holds nothing.",
            "Set the batch size in seconds above 0.",
        )
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(seconds)), key=lambda i: -seconds[i]):
        if room == 0:
            batches.append([])
            room = max(1, int(max_seconds / max(seconds[index], 1e-3)))
        batches[-1].append(index)
        room -= 1
    return batches


def token_batches(places: Sequence[int], room: Room, *, at_least: int = 1) -> list[list[int]]:
    """Indices in batches, longest first, each within `room`; what does not fit at all is alone.

    `places`: of each clip, those of its prompt and the most it may answer. A batch takes its longest clip's places
    times its rows. Where there are enough clips, they make `at_least` so many batches, for as many workers.
    """
    rows = max(1, min(room.rows, -(-len(places) // at_least)))
    batches: list[list[int]] = []
    left = 0
    for index in sorted(range(len(places)), key=lambda i: -places[i]):
        if left == 0:
            batches.append([])
            left = max(1, min(rows, room.places // max(1, places[index])))
        batches[-1].append(index)
        left -= 1
    return batches
