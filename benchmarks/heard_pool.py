"""What a platform knows of a pool before anybody labels it: what was heard, how surely, and what the gate found."""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.doubtful_clips import hear
from benchmarks.mixed_pool import samples_of
from benchmarks.stack import platform
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.confidence import clip_confidence
from earmark.speech.cutting import Stretch
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.segmentation import SegmentationSettings
from earmark.speech.survey import Surveyor
from earmark.speech.surveyed import SurveyedClip
from training_jobs.recipe.manifest import ClipEntry


@dataclass(frozen=True)
class HeardClip:
    """One clip: the model's text, confidence, features and flags; `unfit`, why the gate set it aside, empty if not."""

    text: str
    confidence: float
    features: dict[str, float]
    flags: list[str]
    unfit: str


@dataclass(frozen=True)
class HeardPool:
    """Clips in the order of their entries; `embeddings` float16 [n, D], as the database keeps them."""

    clips: list[HeardClip]
    embeddings: np.ndarray


def heard_pool(folder: Path, entries: Sequence[ClipEntry], *, model: str) -> HeardPool:
    """`entries` as heard by `model`, judged by the gate and searched for near-duplicates; read if it was done before.

    Every clip is a recording of its own: what is spoken twice is not a copy.
    """
    kept = folder / "heard.jsonl"
    if not kept.exists():
        # Django is set up once in a process, and the services it was set up for end with the gate's work
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            alone.submit(_write, folder, entries, model).result()
    rows: list[dict[str, Any]] = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    return HeardPool([HeardClip(**row) for row in rows], np.load(folder / "embeddings.npy"))


def _write(folder: Path, entries: Sequence[ClipEntry], model: str) -> None:
    clips, embeddings = _heard(entries, model)
    np.save(folder / "embeddings.npy", embeddings)
    lines = [json.dumps(asdict(clip), ensure_ascii=False) for clip in clips]
    (folder / "heard.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _heard(entries: Sequence[ClipEntry], model: str) -> tuple[list[HeardClip], np.ndarray]:
    torch.set_num_threads(1)
    engine = GlmAsrEngine.load(model, "cpu")
    waveforms = samples_of(entries)
    heard = hear(engine, waveforms)
    surveyed = _surveyed(entries, waveforms)
    unfit = _unfit(surveyed)
    clips = []
    for entry, waveform, one, known, why in zip(entries, waveforms, heard, surveyed, unfit, strict=True):
        trust = clip_confidence(
            one,
            entry.seconds,
            waveform,
            language=entry.language,
            voice_seconds=known.quality.speech_seconds,
        )
        clips.append(HeardClip(one.text, trust.value, trust.features, list(trust.flags), why))
    embeddings = np.array([one.embedding for one in heard], np.float32)
    return clips, embeddings.astype(np.float16)


def _surveyed(entries: Sequence[ClipEntry], waveforms: Sequence[np.ndarray]) -> list[SurveyedClip]:
    """As they come in: recordings joined to one after another would have voice activity leak between them."""
    found = []
    for waveform in waveforms:
        whole = [Stretch(0, len(waveform))]
        surveyor = Surveyor(SAMPLE_RATE, segmentation=SegmentationSettings(), given=whole)
        surveyor.add(waveform)
        found.append(surveyor.finish().clips[0])
    return found


def _unfit(surveyed: Sequence[SurveyedClip]) -> list[str]:
    """What the platform's own gate says: too silent, noisy or narrow, or a copy of an earlier clip."""
    with platform(durable=False):
        from earmark.corpus.gate import Gate
        from earmark.corpus.near_duplicates import Known, copies_among

        known = [Known(place, place, frozenset(one.hashes)) for place, one in enumerate(surveyed)]
        copies = copies_among(known, known)
        verdicts = [Gate().verdict(one.quality) for one in surveyed]
    return [verdict or ("duplicate" if place in copies else "") for place, verdict in enumerate(verdicts)]
