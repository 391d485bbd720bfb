"""The demo corpus as a team would bring it: a folder of files in mixed formats, and a manifest."""

import csv
import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soundfile
import soxr

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.demo_phrases import phrase
from earmark.speech.demo_voices import Speaker, speak, speakers
from earmark.speech.synthesis import Synthesiser

LICENCE = "CC0-1.0"
PROCESSES = 2
SHARES = 8


@dataclass(frozen=True)
class Container:
    """A way audio arrives: file suffix, libsndfile subtype (None: its default), sample rate in hertz, channels."""

    suffix: str
    subtype: str | None
    rate: int
    channels: int


CONTAINERS = (
    Container("wav", "PCM_16", 16_000, 1),
    Container("wav", "PCM_24", 48_000, 2),
    Container("flac", "PCM_16", 44_100, 1),
    Container("mp3", None, 44_100, 2),
    Container("ogg", "VORBIS", 22_050, 1),
)


@dataclass(frozen=True)
class Plan:
    """How many people of each dialect stand on each side, and how much each says there."""

    train_speakers: int = 5
    dev_speakers: int = 1
    test_speakers: int = 2
    train_utterances: int = 100
    dev_utterances: int = 10
    test_utterances: int = 40

    @property
    def speakers_per_dialect(self) -> int:
        return self.train_speakers + self.dev_speakers + self.test_speakers

    def side(self, index: int) -> tuple[str, int]:
        """The split and the number of utterances of a dialect's speaker number `index`, from 0."""
        if index < self.train_speakers:
            return "train", self.train_utterances
        if index < self.train_speakers + self.dev_speakers:
            return "dev", self.dev_utterances
        return "test", self.test_utterances


@dataclass(frozen=True)
class Part:
    """One speaker's share of the folder."""

    speaker: Speaker
    split: str
    utterances: int


def write_speech_folder(
    folder: Path, *, seed: int, plan: Plan | None = None, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the recordings below `folder`, `manifest.csv` and `spoken.jsonl`; returns the manifest's path.

    The manifest gives a text to dev and test speakers only: that is the labelled set a team brings to measure
    with. `spoken.jsonl` says what was said in every file; only the simulated annotators read it.
    """
    plan = plan or Plan()
    people = speakers(plan.speakers_per_dialect, seed=seed)
    parts = [Part(one, *plan.side(index % plan.speakers_per_dialect)) for index, one in enumerate(people)]
    # Each share has a fresh process and a fixed order: espeak-ng's flutter runs on between utterances.
    shares = [parts[start::SHARES] for start in range(SHARES)]
    spawn = multiprocessing.get_context("spawn")
    spoken: list[dict[str, str]] = []
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn, max_tasks_per_child=1) as pool:
        futures = [pool.submit(_write_share, folder, share, seed) for share in shares]
        for done, future in enumerate(as_completed(futures), start=1):
            spoken += future.result()
            if progress:
                progress(done, len(futures))
    spoken.sort(key=lambda row: row["path"])
    _write_lists(folder, spoken)
    return folder / "manifest.csv"


def read_spoken(folder: Path) -> dict[str, str]:
    """What is said in each file, by its path below `folder`."""
    rows = (json.loads(line) for line in (folder / "spoken.jsonl").read_text(encoding="utf-8").splitlines())
    return {row["path"]: row["text"] for row in rows}


def _write_share(folder: Path, parts: Sequence[Part], seed: int) -> list[dict[str, str]]:
    synthesiser = Synthesiser()
    return [row for part in parts for row in _write_speaker(folder, part, seed, synthesiser)]


def _write_speaker(folder: Path, part: Part, seed: int, synthesiser: Synthesiser) -> list[dict[str, str]]:
    rng = Random(f"{seed}:{part.speaker.name}")
    home = folder / part.speaker.name
    home.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(part.utterances):
        said = phrase(part.speaker.dialect.name, rng)
        samples = speak(synthesiser, part.speaker, said.say, rng)
        container = CONTAINERS[rng.randrange(len(CONTAINERS))]
        path = home / f"{number:03d}.{container.suffix}"
        _write_audio(path, samples, container)
        rows.append(
            {
                "path": str(path.relative_to(folder)),
                "speaker": part.speaker.name,
                "language": part.speaker.dialect.language,
                "dialect": part.speaker.dialect.name,
                "split": part.split,
                "text": said.reference,
            }
        )
    return rows


def _write_audio(path: Path, samples: np.ndarray, container: Container) -> None:
    at_rate = (
        soxr.resample(samples, SAMPLE_RATE, container.rate) if container.rate != SAMPLE_RATE else samples
    )
    channels = np.repeat(at_rate[:, None], container.channels, axis=1)
    soundfile.write(path, np.clip(channels, -1, 1), container.rate, subtype=container.subtype)


def _write_lists(folder: Path, spoken: Sequence[dict[str, str]]) -> None:
    with (folder / "spoken.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in spoken)
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["path", "speaker", "language", "dialect", "split", "text", "licence"])
        writer.writeheader()
        for row in spoken:
            known = row["text"] if row["split"] != "train" else ""
            writer.writerow({**row, "text": known, "licence": LICENCE})
