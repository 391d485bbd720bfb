"""Where a model is weak: the same figures over the clips of one language, dialect, speaker, noise or length."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

KINDS = ("language", "dialect", "speaker", "snr", "duration")
SNR_EDGES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0)
"""dB; speech recognisers lose words from about 10 dB down."""
DURATION_EDGES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds."""
LOW_SNR_DB = 10.0
MOST_SPEAKERS = 50


@dataclass(frozen=True)
class Traits:
    """What is known of a clip; empty or None where it is not."""

    language: str = ""
    dialect: str = ""
    speaker: str = ""
    snr_db: float | None = None
    seconds: float | None = None


def slice_names(traits: Traits) -> dict[str, str]:
    """The name of the slice the clip belongs to, of each of KINDS. Bands are named `5..10`, `..0`, `30..`."""
    return {
        "language": traits.language,
        "dialect": traits.dialect,
        "speaker": traits.speaker,
        "snr": band(traits.snr_db, SNR_EDGES),
        "duration": band(traits.seconds, DURATION_EDGES),
    }


def band(value: float | None, edges: Sequence[float]) -> str:
    """The band of `edges` (rising) that `value` lies in, its lower edge included; empty for an unknown value."""
    if value is None:
        return ""
    if value < edges[0]:
        return f"..{edges[0]:g}"
    for low, high in pairwise(edges):
        if value < high:
            return f"{low:g}..{high:g}"
    return f"{edges[-1]:g}.."


def members(traits: Sequence[Traits]) -> dict[str, dict[str, list[int]]]:
    """The indices of the clips of each slice, by kind and name; bands in their order, names by the alphabet.

    Of speakers those with the most clips, at most MOST_SPEAKERS.
    """
    found: dict[str, dict[str, list[int]]] = {kind: defaultdict(list) for kind in KINDS}
    for index, one in enumerate(traits):
        for kind, name in slice_names(one).items():
            found[kind][name].append(index)
    heard_most = sorted(found["speaker"], key=lambda name: (-len(found["speaker"][name]), name))
    found["speaker"] = {name: found["speaker"][name] for name in heard_most[:MOST_SPEAKERS]}
    return {
        kind: {name: named[name] for name in sorted(named, key=slice_order)} for kind, named in found.items()
    }


def is_noisy(traits: Traits) -> bool:
    """Whether the clip's signal is under LOW_SNR_DB above its noise."""
    return traits.snr_db is not None and traits.snr_db < LOW_SNR_DB


def is_clean(traits: Traits) -> bool:
    """Whether it is known to be at least that much above it."""
    return traits.snr_db is not None and traits.snr_db >= LOW_SNR_DB


def slice_order(name: str) -> tuple[float, str]:
    """What puts bands in their order, and everything else behind them by the alphabet."""
    low, dots, _ = name.partition("..")
    try:
        return (float(low) if low else float("-inf"), name) if dots else (float("inf"), name)
    except ValueError:
        return float("inf"), name
