"""What the teacher hears in the unlabelled clips, and which of it is trusted enough to train on."""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from earmark.speech.batching import length_sorted_batches
from earmark.speech.engine import Engine
from earmark.speech.sound_signs import voice_in
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.hearing import Hearing, hearing_of, views_of, voted
from training_jobs.recipe.manifest import ClipEntry


class Interrupted(Exception):
    """The run was asked to stop."""


@dataclass(frozen=True)
class PseudoLabel:
    """A text to train the unlabelled clip `index` on, and how far it is trusted, in 0..1."""

    index: int
    text: str
    trust: float


def hear_pool(
    path: Path,
    entries: Sequence[ClipEntry],
    indices: Sequence[int],
    audio: ClipAudio,
    engine: Engine,
    *,
    views: int,
    voice: dict[str, float],
    batch_seconds: float,
    report: Callable[[int], None],
    stopping: Callable[[], bool],
) -> list[Hearing]:
    """Hear the entries at `indices`, batch by batch, keeping each in the file `path`; those there are not repeated.

    Each is heard at `views` speeds. `voice` keeps the seconds of voice in a clip by its id: what is not in it is
    measured, once for all passes.
    `report` gets the number of clips heard so far. Raises Interrupted as soon as `stopping` says so.
    """
    done = _read_batches(path)
    with path.open("a", encoding="utf-8") as file:
        if done.torn:
            file.write("\n")
        seconds = [entries[i].seconds for i in indices]
        for number, places in enumerate(length_sorted_batches(seconds, batch_seconds / views)):
            batch = [indices[place] for place in places]
            if number in done.batches:
                continue
            if stopping():
                raise Interrupted
            found = _heard(batch, entries, audio, engine, views, voice)
            file.write(json.dumps([number, [asdict(h) for h in found]], ensure_ascii=False) + "\n")
            file.flush()
            done.batches[number] = found
            report(sum(map(len, done.batches.values())))
        os.fsync(file.fileno())
    return sorted((h for batch in done.batches.values() for h in batch), key=lambda h: h.index)


def _heard(
    batch: Sequence[int],
    entries: Sequence[ClipEntry],
    audio: ClipAudio,
    engine: Engine,
    views: int,
    voice: dict[str, float],
) -> list[Hearing]:
    samples = [audio(entries[i]) for i in batch]
    heard = iter(engine.hear([view for one in samples for view in views_of(one, views)]))
    found = []
    for i, waveform in zip(batch, samples, strict=True):
        if entries[i].id not in voice:
            voice[entries[i].id] = voice_in(waveform, enough=math.inf)
        seconds = voice[entries[i].id]
        found.append(voted([hearing_of(i, next(heard), waveform, entries[i], seconds) for _ in range(views)]))
    return found


def accept(
    hearings: Sequence[Hearing], trust: Sequence[float], *, threshold: float
) -> tuple[list[PseudoLabel], Counter[str]]:
    """The hearings that are trusted at least so far, and how many of the others were refused for what.

    That is each flag, or `score`. A flagged hearing is refused whatever its score: loops can be confident.
    """
    labels: list[PseudoLabel] = []
    refused: Counter[str] = Counter()
    for hearing, score in zip(hearings, trust, strict=True):
        if hearing.flags:
            refused.update(hearing.flags)
        elif score < threshold or not hearing.text.strip():
            refused["score"] += 1
        else:
            labels.append(PseudoLabel(hearing.index, hearing.text, float(score)))
    return labels, refused


@dataclass
class _Batches:
    batches: dict[int, list[Hearing]]
    torn: bool


def _read_batches(path: Path) -> _Batches:
    """The complete lines of an earlier, perhaps killed, pass."""
    text = path.read_bytes().decode("utf-8", errors="replace") if path.exists() else ""
    found = _Batches({}, bool(text) and not text.endswith("\n"))
    for line in text.split("\n")[:-1]:
        try:
            number, rows = json.loads(line)
        except ValueError:
            continue
        found.batches[number] = [Hearing(**{**row, "flags": tuple(row["flags"])}) for row in rows]
    return found
