"""Whether the stretches that a layout marks can be clips, and what is said of those that cannot."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from earmark.corpus.manifest import Row, Utterance
from earmark.speech.audio import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS

UNPLACED = "corpus:manifest:utterances-unplaced"
BEYOND_THE_END = 0.1
"""Seconds that a stretch may promise beyond the file's end: what rounding and encoders' padding come to."""

_TOO_LONG = f"longer than {MAX_CLIP_SECONDS:g} s"
_TOO_SHORT = f"shorter than {MIN_CLIP_SECONDS * 1000:.0f} ms"
_OUTSIDE, _NO_CHANNEL, _TWICE = "outside the file", "on a channel that is not there", "marked twice"


@dataclass(frozen=True)
class Placed:
    """The utterances that are clips, by start, none beyond the end; and what to say of the others ("" for none)."""

    utterances: tuple[Utterance, ...]
    remark: str

    @property
    def error_id(self) -> str:
        """The id that goes with the remark; empty without one."""
        return UNPLACED if self.remark else ""


def wanted(row: Row) -> tuple[Utterance, ...]:
    """The utterances that could be clips, as far as that is known before the file is decoded."""
    return placed(row, seconds=math.inf).utterances


def placed(row: Row, *, seconds: float, channels: int = 1 << 15) -> Placed:
    """The row's utterances in a file that lasts `seconds` and has so many channels.

    A stretch that ends up to 0.1 s beyond the file's end is shortened to it. One that cannot be a clip is told of in
    the remark: over 30 s, under 0.1 s, outside the file, on no channel of it, or the same stretch a second time.
    """
    good: list[Utterance] = []
    bad: dict[str, list[Utterance]] = {}
    seen: set[tuple[float, float, int | None]] = set()
    for one in row.utterances:
        one = (
            replace(one, seconds=min(one.seconds, seconds - one.start)) if _just_beyond(one, seconds) else one
        )
        stretch = (round(one.start, 4), round(one.seconds, 4), one.channel)
        why = _why_not(one, seconds, channels) or (_TWICE if stretch in seen else "")
        seen.add(stretch)
        if why:
            bad.setdefault(why, []).append(one)
        else:
            good.append(one)
    return Placed(tuple(good), _remark(len(row.utterances), bad))


def _just_beyond(one: Utterance, seconds: float) -> bool:
    return one.start < seconds < one.end <= seconds + BEYOND_THE_END


def _why_not(one: Utterance, seconds: float, channels: int) -> str:
    if one.start < 0 or one.start >= seconds:
        return _OUTSIDE
    if one.seconds > MAX_CLIP_SECONDS:
        return _TOO_LONG
    if one.end > seconds:
        return _OUTSIDE
    if one.seconds < MIN_CLIP_SECONDS:
        return _TOO_SHORT
    return _NO_CHANNEL if one.channel is not None and not 0 <= one.channel < channels else ""


def _remark(total: int, bad: dict[str, list[Utterance]]) -> str:
    if not bad:
        return ""
    count = sum(map(len, bad.values()))
    reasons = "; ".join(f"{len(ones)} {why} (the first at {_first(ones):.2f} s)" for why, ones in bad.items())
    return f"{count} of {total} utterances were not taken: {reasons}. Mark stretches of 0.1 to 30 s inside the file."


def _first(ones: Iterable[Utterance]) -> float:
    return next(iter(ones)).start
