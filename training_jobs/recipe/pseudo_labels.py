"""What the teacher hears in the unlabelled clips, and which of it is trusted enough to train on."""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import length_sorted_batches
from earmark.speech.confidence import clip_confidence
from earmark.speech.engine import Engine, Heard
from training_jobs.recipe.clip_audio import ClipAudio
from training_jobs.recipe.manifest import ClipEntry


class Interrupted(Exception):
    """The run was asked to stop."""


@dataclass(frozen=True)
class Hearing:
    """What was heard in the unlabelled clip `index`: `mean` is the mean probability of its tokens, `sequence` the
    probability of all of them, in 0..1.
    """

    index: int
    text: str
    mean: float
    sequence: float
    flags: tuple[str, ...]

    def score(self, kind: str) -> float:
        """`mean` or `sequence`."""
        return self.mean if kind == "mean" else self.sequence


@dataclass(frozen=True)
class PseudoLabel:
    """A text to train the unlabelled clip `index` on."""

    index: int
    text: str


def token_probabilities(heard: Heard) -> list[float]:
    """Of each chosen token, the end token included where it was heard."""
    return [math.exp(token.logprob) for token in heard.tokens]


def hear_pool(
    path: Path,
    entries: Sequence[ClipEntry],
    indices: Sequence[int],
    audio: ClipAudio,
    engine: Engine,
    *,
    batch_seconds: float,
    report: Callable[[int], None],
    stopping: Callable[[], bool],
) -> list[Hearing]:
    """Hear the entries at `indices`, batch by batch, keeping each in the file `path`; those there are not repeated.

    `report` gets the number of clips heard so far. Raises Interrupted as soon as `stopping` says so.
    """
    done = _read_batches(path)
    with path.open("a", encoding="utf-8") as file:
        if done.torn:
            file.write("\n")
        seconds = [entries[i].seconds for i in indices]
        for number, places in enumerate(length_sorted_batches(seconds, batch_seconds)):
            batch = [indices[place] for place in places]
            if number in done.batches:
                continue
            if stopping():
                raise Interrupted
            samples = [audio(entries[i]) for i in batch]
            heard = engine.hear(samples)
            languages = [entries[i].language for i in batch]
            found = [_hearing(*each) for each in zip(batch, heard, samples, languages, strict=True)]
            file.write(json.dumps([number, [asdict(h) for h in found]], ensure_ascii=False) + "\n")
            file.flush()
            done.batches[number] = found
            report(sum(map(len, done.batches.values())))
        os.fsync(file.fileno())
    return sorted((h for batch in done.batches.values() for h in batch), key=lambda h: h.index)


def accept(
    hearings: Sequence[Hearing], *, score: str, threshold: float
) -> tuple[list[PseudoLabel], Counter[str]]:
    """The trusted hearings, and how many of the others were refused for what (each flag, or `score`).

    A flagged hearing is refused whatever its score: loops can be confident.
    """
    labels: list[PseudoLabel] = []
    refused: Counter[str] = Counter()
    for hearing in hearings:
        if hearing.flags:
            refused.update(hearing.flags)
        elif hearing.score(score) < threshold or not hearing.text.strip():
            refused["score"] += 1
        else:
            labels.append(PseudoLabel(hearing.index, hearing.text))
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


def _hearing(index: int, heard: Heard, samples: np.ndarray, language: str) -> Hearing:
    confidence = clip_confidence(heard, len(samples) / SAMPLE_RATE, samples, language=language)
    probabilities = token_probabilities(heard) or [0.0]
    mean = sum(probabilities) / len(probabilities)
    return Hearing(index, heard.text, mean, math.prod(probabilities), confidence.flags)
