"""A corpus to learn from whose every text is known: dialects the demo model knows and dialects it never heard.

Speakers of a dialect differ in timbre, and stand on one side only: train, dev or test.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import soxr

from benchmarks.made_sounds import SOUNDS, a_sound
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.demo_phrases import phrase
from earmark.speech.demo_voices import DIALECTS, TIMBRES, Dialect, Speaker, speak, training_speaker
from earmark.speech.synthesis import Synthesiser, Voice
from training_jobs.recipe.manifest import ClipEntry, read_manifest, write_manifest

FOREIGN = ("de", "fr", "ru", "pl", "tr", "fi", "hu", "ar")
SIDES: Sequence[str] = ("train", "dev", "test")
PROCESSES = 2


@dataclass(frozen=True)
class Sizes:
    """Clips of each dialect on each side; `timbres` of the 30 there are speak on each."""

    new: Mapping[str, int]
    known: Mapping[str, int]
    timbres: Mapping[str, int]

    def clips(self, dialect: Dialect, side: str) -> int:
        """How many clips of `dialect` there are on `side`."""
        return (self.known if dialect.known else self.new)[side]


FULL = Sizes(
    new={"train": 3_600, "dev": 40, "test": 140},
    known={"train": 600, "dev": 20, "test": 60},
    timbres={"train": 20, "dev": 3, "test": 7},
)
QUICK = Sizes(
    new={"train": 60, "dev": 8, "test": 12},
    known={"train": 20, "dev": 4, "test": 7},
    timbres=FULL.timbres,
)


def write_pool(folder: Path, sizes: Sizes, *, seed: int) -> Path:
    """Write `folder` with `audio/` and a manifest of each side, every clip with its text; once only."""
    if (folder / "test.jsonl").exists():
        return folder
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    parts = [(folder, dialect, sizes, seed) for dialect in DIALECTS]
    # espeak-ng's flutter runs on between utterances: each dialect has a fresh process
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), max_tasks_per_child=1) as pool:
        written = list(pool.map(_write_dialect, *zip(*parts, strict=True)))
    for side in SIDES:
        write_manifest(folder / f"{side}.jsonl", [entry for part in written for entry in part[side]])
    return folder


def write_garbage(folder: Path, clips: int, *, seed: int) -> list[ClipEntry]:
    """`clips` in which nothing is to be learned, as long as a phrase: noise and music, silence among them, and speech
    of languages nobody here writes, half each; each said to be of a language of the pool. Once only.
    """
    manifest = folder / "garbage.jsonl"
    if not manifest.exists():
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            write_manifest(manifest, alone.submit(_write_garbage, folder, clips, seed).result())
    return read_manifest(manifest, with_text=False)


def _write_garbage(folder: Path, clips: int, seed: int) -> list[ClipEntry]:
    rng, synthesiser = Random(f"{seed}:garbage"), Synthesiser()
    entries, pieces, at = list[ClipEntry](), list[np.ndarray](), 0
    for number in range(clips):
        if number % 2:
            voice = Voice(rng.choice(FOREIGN), rng.choice(TIMBRES), rng.randint(150, 200))
            spoken = synthesiser.say(phrase("american", rng).say, voice)
            samples = soxr.resample(spoken.samples, spoken.rate, SAMPLE_RATE).astype(np.float32)
        else:
            samples = a_sound(rng.choice(list(SOUNDS)), rng)[: round(rng.uniform(0.8, 2.5) * SAMPLE_RATE)]
        seconds = len(samples) / SAMPLE_RATE
        language = rng.choice(DIALECTS).language
        entries.append(
            ClipEntry(
                id=f"garbage-{number:05d}", audio="audio/garbage.flac", start=at / SAMPLE_RATE, seconds=seconds,
                language=language,
            )
        )  # fmt: skip
        pieces.append(samples)
        at += len(samples)
    (folder / "audio" / "garbage.flac").write_bytes(write_flac(np.concatenate(pieces)))
    return entries


def read_pool(folder: Path) -> dict[str, list[ClipEntry]]:
    """The clips of each side."""
    return {side: read_manifest(folder / f"{side}.jsonl", with_text=True) for side in SIDES}


def _write_dialect(folder: Path, dialect: Dialect, sizes: Sizes, seed: int) -> dict[str, list[ClipEntry]]:
    rng, synthesiser = Random(f"{seed}:{dialect.name}"), Synthesiser()
    timbres = rng.sample(TIMBRES, len(TIMBRES))
    written: dict[str, list[ClipEntry]] = {}
    for side in SIDES:
        own, timbres = timbres[: sizes.timbres[side]], timbres[sizes.timbres[side] :]
        shares = np.array_split(np.arange(sizes.clips(dialect, side)), len(own))
        written[side] = [
            entry
            for timbre, share in zip(own, shares, strict=True)
            for entry in _write_speaker(folder, _person(dialect, timbre, rng), len(share), rng, synthesiser)
        ]
    return written


def _person(dialect: Dialect, timbre: str, rng: Random) -> Speaker:
    drawn = training_speaker(dialect, rng)
    return replace(drawn, name=f"{dialect.name}-{timbre}", voice=replace(drawn.voice, variant=timbre))


def _write_speaker(
    folder: Path, speaker: Speaker, clips: int, rng: Random, synthesiser: Synthesiser
) -> list[ClipEntry]:
    """A recording of all that the speaker says, and the clips it is cut into."""
    entries, pieces, at = list[ClipEntry](), list[np.ndarray](), 0
    audio = f"audio/{speaker.name}.flac"
    for number in range(clips):
        said = phrase(speaker.dialect.name, rng)
        samples = speak(synthesiser, speaker, said.say, rng)
        entries.append(
            ClipEntry(
                id=f"{speaker.name}-{number:04d}",
                audio=audio,
                start=at / SAMPLE_RATE,
                seconds=len(samples) / SAMPLE_RATE,
                text=said.reference,
                language=speaker.dialect.language,
                dialect=speaker.dialect.name,
            )
        )
        pieces.append(samples)
        at += len(samples)
    (folder / audio).write_bytes(write_flac(np.concatenate(pieces)))
    return entries
