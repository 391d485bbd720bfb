"""Batches of clips of similar length: little padding, bounded memory."""

from collections.abc import Sequence

from earmark.speech.errors import EarmarkError


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


def length_sorted_groups(places: Sequence[int], size: int) -> list[list[int]]:
    """Indices in groups of at most `size`, longest first; equal lengths keep their order."""
    order = sorted(range(len(places)), key=lambda i: -places[i])
    return [order[start : start + size] for start in range(0, len(order), size)]
