"""A pool most of which the demo model knows: a quarter is new dialect, with words of its own, or stands in noise.

On wish a tenth more is garbage: noise, music-like tones, speech of languages nobody here writes, copies.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import soundfile
import soxr

from benchmarks.dialect_pool import FOREIGN, SIDES, Sizes, write_pool
from benchmarks.dialect_pool import read_pool as read_manifests
from benchmarks.made_sounds import SOUNDS, a_sound
from benchmarks.made_speech import NOISES, noise
from benchmarks.spoiling import CODECS, through_codec
from earmark.speech.audio import SAMPLE_RATE, write_flac
from earmark.speech.demo_voices import DIALECTS, TIMBRES
from earmark.speech.synthesis import Synthesiser, Voice
from training_jobs.recipe.manifest import ClipEntry, read_manifest, write_manifest

FULL = Sizes(
    new={"train": 240, "dev": 20, "test": 100},
    known={"train": 1_640, "dev": 30, "test": 250},
    timbres={"train": 20, "dev": 3, "test": 7},
)
"""4,000 clips to choose from: 720 of new dialects, 328 in noise."""
QUICK = Sizes(
    new={"train": 24, "dev": 4, "test": 7}, known={"train": 64, "dev": 5, "test": 14}, timbres=FULL.timbres
)
NOISY = {"train": 2, "dev": 0, "test": 1}
"""Speakers of each known dialect who stand in noise."""
LOWEST_SNR, HIGHEST_SNR = 3.0, 10.0
KINDS = ("noise", "tones", "foreign", "copy")
TONES = ("tone", "chords", "arpeggio", "vibrato", "beeps", "sweep")
LONGEST_SECONDS = 2.5


def write_mixed_pool(folder: Path, sizes: Sizes, *, seed: int) -> dict[str, list[ClipEntry]]:
    """The clips of each side, written into `folder` where they are not there yet."""
    whole = folder / "whole"
    if not whole.exists():
        write_pool(folder, sizes, seed=seed)
        rng = Random(f"{seed}:noise")
        for side, entries in read_manifests(folder).items():
            write_manifest(folder / f"{side}.jsonl", _some_in_noise(folder, side, entries, rng))
        whole.touch()
    return {side: _placed(folder, entries) for side, entries in read_manifests(folder).items()}


def write_mixed_garbage(folder: Path, clips: int, *, seed: int) -> list[ClipEntry]:
    """`clips` garbage of `KINDS` in equal shares beside the pool in `folder`; an id begins with its kind."""
    manifest = folder / "garbage.jsonl"
    if not manifest.exists():
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            write_manifest(manifest, alone.submit(_write_garbage, folder, clips, seed).result())
    return _placed(folder, read_manifest(manifest, with_text=False))


def speaker_of(entry: ClipEntry) -> str:
    """Who speaks; of garbage nobody knows."""
    speaker = entry.id.rpartition("-")[0]
    return "" if speaker in KINDS else speaker


def is_in_noise(entry: ClipEntry) -> bool:
    """Whether it is speech of a known dialect in noise."""
    return entry.audio.endswith("-in-noise.flac")


def samples_of(entries: Sequence[ClipEntry]) -> list[np.ndarray]:
    """float32 [n] of each clip."""
    whole = {
        path: soundfile.read(path, dtype="float32")[0] for path in dict.fromkeys(one.audio for one in entries)
    }
    return [whole[one.audio][_first(one) : _first(one) + round(one.seconds * SAMPLE_RATE)] for one in entries]


def _first(entry: ClipEntry) -> int:
    return round(entry.start * SAMPLE_RATE)


def _placed(folder: Path, entries: Sequence[ClipEntry]) -> list[ClipEntry]:
    return [replace(entry, audio=str(folder / entry.audio)) for entry in entries]


def _some_in_noise(folder: Path, side: str, entries: Sequence[ClipEntry], rng: Random) -> list[ClipEntry]:
    synthesiser = Synthesiser()
    moved = dict[str, str]()
    for dialect in (one for one in DIALECTS if one.known):
        speakers = sorted({one.audio for one in entries if one.dialect == dialect.name})
        for audio in rng.sample(speakers, min(NOISY[side], len(speakers))):
            samples, _ = soundfile.read(folder / audio, dtype="float32")
            made = noise(rng.choice(NOISES), len(samples), rng, synthesiser)
            moved[audio] = audio.replace(".flac", "-in-noise.flac")
            (folder / moved[audio]).write_bytes(write_flac(_mixed(samples, made, rng)))
    return [replace(one, audio=moved.get(one.audio, one.audio)) for one in entries]


def _mixed(samples: np.ndarray, made: np.ndarray, rng: Random) -> np.ndarray:
    """With noise of mean square 1 so many dB under the power of the tenths of a second with speech in them."""
    frames = np.pad(samples, (0, -len(samples) % 1600)).reshape(-1, 1600)
    power = np.mean(frames**2, axis=1)
    spoken = float(power[power > 1e-2 * power.max()].mean())
    ratio = rng.uniform(LOWEST_SNR, HIGHEST_SNR)
    mixed = samples + made * np.float32(np.sqrt(spoken / 10 ** (ratio / 10)))
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)


def _write_garbage(folder: Path, clips: int, seed: int) -> list[ClipEntry]:
    rng, synthesiser = Random(f"{seed}:garbage"), Synthesiser()
    originals = _placed(folder, read_manifests(folder)["train"])
    copied = dict(zip(range(3, clips, 4), rng.sample(originals, len(range(3, clips, 4))), strict=True))
    sounds = dict(zip(copied, samples_of(list(copied.values())), strict=True))
    entries, pieces, at = list[ClipEntry](), list[np.ndarray](), 0
    for number in range(clips):
        kind = KINDS[number % 4]
        language = copied[number].language if number in copied else rng.choice(DIALECTS).language
        samples = _copy(sounds[number], rng) if number in copied else _made(kind, rng, synthesiser)
        seconds = len(samples) / SAMPLE_RATE
        entries.append(
            ClipEntry(
                id=f"{kind}-{number:05d}",
                audio="audio/garbage.flac",
                start=at / SAMPLE_RATE,
                seconds=seconds,
                language=language,
            )
        )
        pieces.append(samples)
        at += len(samples)
    (folder / "audio" / "garbage.flac").write_bytes(write_flac(np.concatenate(pieces)))
    return entries


def _made(kind: str, rng: Random, synthesiser: Synthesiser) -> np.ndarray:
    if kind == "foreign":
        # read in its own language, espeak-ng writes numbers out in it
        text = " ".join(str(rng.randrange(100)) for _ in range(rng.randint(1, 3)))
        spoken = synthesiser.say(text, Voice(rng.choice(FOREIGN), rng.choice(TIMBRES), rng.randint(150, 200)))
        resampled = soxr.resample(spoken.samples, spoken.rate, SAMPLE_RATE)
        return np.asarray(0.5 * resampled / np.abs(resampled).max(), np.float32)
    names = [name for name in SOUNDS if (name in TONES) == (kind == "tones")]
    return a_sound(rng.choice(names), rng)[: round(rng.uniform(0.8, LONGEST_SECONDS) * SAMPLE_RATE)]


def _copy(samples: np.ndarray, rng: Random) -> np.ndarray:
    """Cut a little elsewhere, louder or softer, encoded again."""
    cut = samples[rng.randrange(800) : len(samples) - rng.randrange(800)]
    return through_codec(cut * np.float32(rng.uniform(0.4, 1.0)), rng.choice(CODECS), level=rng.random())


__all__ = [
    "FULL", "QUICK", "SIDES", "is_in_noise", "samples_of", "speaker_of", "write_mixed_garbage",
    "write_mixed_pool",
]  # fmt: skip
