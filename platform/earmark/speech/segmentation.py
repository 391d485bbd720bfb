"""Cut recordings into clips at pauses, by what a voice detector heard.

Speech is where the voice is likely, with hysteresis; talk is speech joined over pauses too short to cut at; a clip is a
stretch of talk with a little of the quiet around it. Talk too long for one clip is divided so that as few cuts as can
be fall where there is no pause, the rest at the longest pauses (dynamic programming over all of them).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from earmark.speech.audio import MAX_CLIP_SECONDS, SAMPLE_RATE
from earmark.speech.cutting import FLOOR_DB, FRAME, Stretch
from earmark.speech.errors import EarmarkError
from earmark.speech.voice_activity import VOICE_FRAME

_HYSTERESIS = 0.15
_NO_PAUSE_COST = 1_000.0
_SHORT_COST = 50.0
_LOUD_COST = 0.3
_CLIP_COST = 0.05
_COMFORTABLE = 5 * SAMPLE_RATE
_BUCKET = SAMPLE_RATE // 2
_SEARCH = 25
_PAUSE_FRAMES = 50
_LEAST_PAUSE_FRAMES = 5
_VOICE_FRAMES = 100
_LATE = 60 * SAMPLE_RATE // 1000
_CLEAR_DB, _RISE_DB, _AUDIBLE_DB = 25.0, 8.0, 50.0


@dataclass(frozen=True)
class SegmentationSettings:
    """How recordings are cut; times in seconds.

    Speech begins where the voice is as likely as `threshold` (0.2 to 0.95), and lasts until it is 0.15 less likely;
    what is over sooner than `shortest_speech` is no speech. A pause of at least `shortest_pause` is cut at. A clip
    keeps up to `padding_before` and `padding_after` of the quiet around it and lasts from `shortest` to `longest`
    where it can be done. A recording of at most `longest` in which nobody pauses longer than `longest_silence` stays
    whole.
    """

    threshold: float = 0.5
    shortest_speech: float = 0.1
    shortest_pause: float = 0.4
    padding_before: float = 0.05
    padding_after: float = 0.05
    shortest: float = 1.0
    longest: float = MAX_CLIP_SECONDS
    longest_silence: float = 2.0

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise _value_error(name, f"is {value!r}", f"Give a number from {least:g} to {most:g}.")
            object.__setattr__(self, name, float(value))
        if self.longest < 2 * self.shortest:
            reason = f"is {self.longest:g} s with `shortest` at {self.shortest:g} s"
            raise _value_error("longest", reason, "Make it at least twice `shortest`.")

    def to_json(self) -> dict[str, float]:
        """Every setting by its name."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: str | Mapping[str, Any]) -> Self:
        """Settings from a JSON object or its text; what is not named has its default.

        Raises EarmarkError `corpus:segmentation:value`.
        """
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError as error:
                raise _value_error("settings", f"are not JSON ({error})", "Give a JSON object.") from None
        if not isinstance(given, Mapping):
            raise _value_error("settings", f"are {given!r}", "Give a JSON object.")
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise _value_error(str(name), "is no setting", f"Choose from {', '.join(known)}.")
        return cls(**given)


_RANGES: Mapping[str, tuple[float, float]] = {
    "threshold": (0.2, 0.95),
    "shortest_speech": (0.0, 1.0),
    "shortest_pause": (0.1, 10.0),
    "padding_before": (0.0, 1.0),
    "padding_after": (0.0, 1.0),
    "shortest": (0.1, 10.0),
    "longest": (2.0, MAX_CLIP_SECONDS),
    "longest_silence": (0.5, MAX_CLIP_SECONDS),
}


def _value_error(name: str, reason: str, hint: str) -> EarmarkError:
    return EarmarkError("corpus:segmentation:value", f"Segmentation: `{name}` {reason}.", hint)


def speech(
    voice: np.ndarray, loudness: np.ndarray, samples: int, settings: SegmentationSettings
) -> np.ndarray:
    """Where somebody speaks in a recording of `samples` at 16 kHz: int64 [n, 2], [start, end), sorted and apart.

    `voice` is float [ceil(samples / 512)], the likelihood of a voice in each frame of 32 ms; `loudness` float
    [ceil(samples / 160)], the level of each frame of 10 ms in dB.
    """
    possible = _runs(voice >= settings.threshold - _HYSTERESIS)
    sure = np.concatenate([[0], np.cumsum(voice >= settings.threshold)])
    least = max(1, round(settings.shortest_speech * SAMPLE_RATE / VOICE_FRAME))
    kept = possible[sure[possible[:, 1]] - sure[possible[:, 0]] >= least]
    return _at_the_sound(np.minimum(kept * VOICE_FRAME, samples), loudness, samples)


def segment(
    talk: np.ndarray,
    loudness: np.ndarray,
    samples: int,
    settings: SegmentationSettings,
    *,
    keep_whole: bool = False,
) -> list[Stretch]:
    """The clips of a recording of `samples` in which somebody speaks in `talk`: sorted, apart, within it.

    A recording of at most `settings.longest` is one clip where nobody speaks in it, where no silence in it is longer
    than `settings.longest_silence`, or with `keep_whole` (it has a text of its own); a longer one without speech gives
    none. `loudness` as for `speech`.
    """
    if samples <= 0:
        return []
    if samples <= _samples(settings.longest):
        silences = np.diff(np.concatenate([[0], talk.ravel(), [samples]]))[::2]
        if keep_whole or not len(talk) or silences.max() <= _samples(settings.longest_silence):
            return [Stretch(0, samples)]
    if not len(talk):
        return []
    pieces = _at_pauses(talk, settings)
    divided = [part for piece in pieces for part in _divided(piece, talk, loudness, settings)]
    return _with_room(np.array(divided), samples, settings)


def _runs(flags: np.ndarray) -> np.ndarray:
    """Each run of True: int64 [n, 2], indices [start, end)."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    return np.flatnonzero(edges).reshape(-1, 2)


def _at_pauses(talk: np.ndarray, settings: SegmentationSettings) -> np.ndarray:
    """Speech joined over pauses shorter than `shortest_pause`: int64 [n, 2]."""
    cuts = np.flatnonzero(talk[1:, 0] - talk[:-1, 1] >= settings.shortest_pause * SAMPLE_RATE)
    firsts, lasts = np.concatenate([[0], cuts + 1]), np.concatenate([cuts, [len(talk) - 1]])
    return np.stack([talk[firsts, 0], talk[lasts, 1]], axis=1)


def _divided(
    piece: np.ndarray, talk: np.ndarray, loudness: np.ndarray, settings: SegmentationSettings
) -> list[tuple[int, int]]:
    """The piece, in as many parts as make each at most `longest` with its padding."""
    room = _samples(settings.padding_before) + _samples(settings.padding_after)
    longest = _samples(settings.longest) - room
    start, end = int(piece[0]), int(piece[1])
    if end - start <= longest:
        return [(start, end)]
    places = _places(start, end, talk, loudness)
    chosen = _fewest_bad_cuts(places, start, end, longest, _samples(settings.shortest))
    lefts = [start, *(int(right) for _, right, _ in chosen)]
    rights = [*(int(left) for left, _, _ in chosen), end]
    return list(zip(lefts, rights, strict=True))


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _places(start: int, end: int, talk: np.ndarray, loudness: np.ndarray) -> np.ndarray:
    """Where talk may be cut: float64 [n, 3], the end of one part, the start of the next, what the cut costs.

    At a pause of p seconds it costs 0.1 / p. In speech, at the quietest frame of each half second, it costs so much
    that no such cut is made where pauses will do.
    """
    within = talk[(talk[:, 0] >= start) & (talk[:, 1] <= end)]
    lefts, rights = within[:-1, 1], within[1:, 0]
    pauses = np.stack([lefts, rights, 0.1 * SAMPLE_RATE / np.maximum(rights - lefts, 1)], axis=1)
    first, buckets = -(-start // FRAME), (end - start) // _BUCKET
    length = _BUCKET // FRAME
    levels = loudness[first : first + buckets * length]
    levels = levels[: len(levels) // length * length].reshape(-1, length)
    at = (first + np.arange(len(levels)) * length + levels.argmin(axis=1)) * FRAME + FRAME // 2
    costs = _NO_PAUSE_COST + _LOUD_COST * np.clip(levels.min(axis=1), FLOOR_DB, 0.0)
    is_in_speech = np.searchsorted(lefts, at, side="right") == np.searchsorted(rights, at, side="right")
    inside = is_in_speech & (at > start) & (at < end)
    quiet = np.stack([at, at, costs], axis=1)[inside]
    both = np.concatenate([pauses, quiet])
    return both[np.argsort(both[:, 0], kind="stable")]


def _fewest_bad_cuts(places: np.ndarray, start: int, end: int, longest: int, shortest: int) -> np.ndarray:
    """The cheapest of the places that leave parts of at most `longest` and, where it can be, at least `shortest`."""
    ends = np.concatenate([places[:, 0], [end]])
    begins = np.concatenate([[start], places[:, 1]])
    costs = np.concatenate([places[:, 2], [0.0]]) + _CLIP_COST
    best = np.zeros(len(begins))
    came_from = np.zeros(len(begins), np.int64)
    oldest = np.searchsorted(begins, ends - longest)
    for at, stop in enumerate(ends):
        first = min(int(oldest[at]), at)
        lengths = stop - begins[first : at + 1]
        total = best[first : at + 1] + 0.5 * np.maximum(1 - lengths / _COMFORTABLE, 0)
        total += np.where(lengths < shortest, _SHORT_COST, 0.0)
        chosen = int(np.argmin(total))
        if at + 1 < len(best):
            best[at + 1], came_from[at + 1] = total[chosen] + costs[at], first + chosen
        else:
            back = first + chosen
    path = []
    while back > 0:
        path.append(back - 1)
        back = int(came_from[back])
    return places[path[::-1]]


def _at_the_sound(talk: np.ndarray, loudness: np.ndarray, samples: int) -> np.ndarray:
    """Speech that begins and ends with the sound itself where it stands out of the pause beside it.

    Where a voice is 25 dB and more over the pause, the first and the last frame that rise 8 dB out of it, looked for
    250 ms around what the detector said, are right to 10 ms. Elsewhere the detector holds: it is up to 60 ms late where
    speech begins, so that much is added, and 100 ms where it ends.
    """
    if not len(talk):
        return talk
    lows, highs = _halves(talk, samples)
    found = talk.copy()
    for at, ((start, end), low, high) in enumerate(
        zip(talk.tolist(), lows.tolist(), highs.tolist(), strict=True)
    ):
        first, last, lowest, highest = start // FRAME, end // FRAME, -(-low // FRAME), high // FRAME
        before = loudness[max(lowest, first - _PAUSE_FRAMES) : first]
        heard = _standing_out(
            loudness, before, max(lowest, first - _SEARCH), min(first + _SEARCH, last), first
        )
        found[at, 0] = (heard[0] + 1) * FRAME if len(heard) else max(low, start - _LATE)
        after = loudness[last + 1 : min(highest, last + _PAUSE_FRAMES)]
        heard = _standing_out(loudness, after, max(last - _SEARCH, first), min(last + _SEARCH, highest), last)
        found[at, 1] = heard[-1] * FRAME if len(heard) else end
    return np.where((found[:, 1] > found[:, 0])[:, None], found, talk)


def _standing_out(loudness: np.ndarray, pause: np.ndarray, first: int, last: int, edge: int) -> np.ndarray:
    """The frames of [first, last) that stand out of the pause; none where the voice around `edge` hardly does."""
    if len(pause) < _LEAST_PAUSE_FRAMES:
        return np.zeros(0, np.int64)
    voice = float(loudness[max(0, edge - _VOICE_FRAMES) : edge + _VOICE_FRAMES].max(initial=FLOOR_DB))
    floor = float(np.median(pause))
    if voice - floor < _CLEAR_DB:
        return np.zeros(0, np.int64)
    level = max(floor + _RISE_DB, voice - _AUDIBLE_DB)
    return first + np.flatnonzero(loudness[first:last] > level)


def _with_room(parts: np.ndarray, samples: int, settings: SegmentationSettings) -> list[Stretch]:
    """Parts with their padding, half of each pause at most, and more where one would be shorter than `shortest`."""
    parts = _joined(parts, samples, settings)
    lows, highs = _halves(parts, samples)
    starts = np.maximum(parts[:, 0] - _samples(settings.padding_before), lows)
    ends = np.minimum(parts[:, 1] + _samples(settings.padding_after), highs)
    lacking = np.maximum(_samples(settings.shortest) - (ends - starts), 0)
    before = np.minimum(lacking // 2, starts - lows)
    after = np.minimum(lacking - before, highs - ends)
    before = np.minimum(lacking - after, starts - lows)
    return [Stretch(int(start), int(end)) for start, end in zip(starts - before, ends + after, strict=True)]


def _joined(parts: np.ndarray, samples: int, settings: SegmentationSettings) -> np.ndarray:
    """Parts, those without room for `shortest` between their neighbours' halves joined to the nearer of the two."""
    shortest, longest = _samples(settings.shortest), _samples(settings.longest)
    longest -= _samples(settings.padding_before) + _samples(settings.padding_after)
    while True:
        lows, highs = _halves(parts, samples)
        is_joined = _pairs_to_join(parts, np.flatnonzero(highs - lows < shortest), longest)
        if not is_joined.any():
            return parts
        starts = parts[np.concatenate([[True], ~is_joined]), 0]
        parts = np.stack([starts, parts[np.concatenate([~is_joined, [True]]), 1]], axis=1)


def _pairs_to_join(parts: np.ndarray, cramped: np.ndarray, longest: int) -> np.ndarray:
    """Which parts to join with the next one, none with both its neighbours: bool [n - 1]."""
    gaps = np.where(parts[1:, 1] - parts[:-1, 0] <= longest, parts[1:, 0] - parts[:-1, 1], -1).tolist()
    is_joined = np.zeros(len(parts) - 1, bool)
    taken = -1
    for at in cramped.tolist():
        pairs = [left for left in (at - 1, at) if 0 <= left < len(gaps) and gaps[left] >= 0]
        nearest = min(pairs, key=gaps.__getitem__, default=-1)
        if nearest > taken:
            is_joined[nearest] = True
            taken = nearest + 1
    return is_joined


def _halves(parts: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each part may reach: to the middles of the pauses beside it, or the recording's ends."""
    middles = (parts[:-1, 1] + parts[1:, 0]) // 2
    return np.concatenate([[0], middles]), np.concatenate([middles, [samples]])
