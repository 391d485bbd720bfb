"""How fast the demo model hears on a CPU: `python -m benchmarks.transcription_cpu [--quick]`.

Against the usage of the model's card: one clip a call, the processor, `generate` with its scores kept, `batch_decode`.
Both in turns on the same clips, under the same window policy, and the text must be the same.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile
import torch
from transformers.utils import logging as transformers_logging

from benchmarks.made_corpus import make
from benchmarks.reporting import ROOT, Report, arguments, publish
from benchmarks.stack import platform
from earmark.speech import glm, greedy, hearing
from earmark.speech.aligner import Aligner
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.decoding import Decoder
from earmark.speech.demo_phrases import phrase
from earmark.speech.demo_voices import known, speak, training_speaker
from earmark.speech.engine import Heard
from earmark.speech.examples import window_samples
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel, load_model
from earmark.speech.synthesis import Synthesiser

SEED = 3
CLIPS, QUICK_CLIPS = 500, 40
FEWEST_ROWS = 2_000
"""Clips of the made corpus that are written into."""
ROUNDS = 3
SHORTEST, LONGEST = 1.0, 8.0
WINDOWS = ("fixed", "trimmed")

PAGE = """
{clips} clips of 1 to 8 s ({seconds:.0f} s in all): phrases of American English and Mandarin, the dialects the demo
model knows, by speakers and in rooms of their own, one behind the other until a drawn length is reached.

The baseline is the model card's usage: `apply_transcription_request`, `generate` greedily with
`return_dict_in_generate` and `output_scores`, `batch_decode`, one clip a call, with all {threads} threads and the same
cap on tokens. `fixed` pads every clip to 30 s, `trimmed` to the next 0.48 s, the baseline alike: the windows are the
same, and the run fails unless the text of every clip is. The demo model was trained trimmed, on phrases alone; what it
hears in several of them, or in 30 s, is longer than right, and neither side is spared it.

In each of {rounds} rounds the baseline hears a part of the clips, so that all have been heard at the end, and the
engine hears all of them in one call; medians of the rounds, in seconds of audio heard per second (`rtfx_*`).

- **`ratio_fixed`** (goal 5) and **`ratio_trimmed`** (goal 15): throughput over the baseline's under the same policy.
- `ratio_trimmed_to_card`: trimmed, over the card's own usage, which is `fixed`.
- `ratios_*`: of each round, by which to judge the noise.
- `split_*`: milliseconds of one core per clip, measured with one lane: `features`, `encoder`, `prefill` (projector and
  prompts through the language model), `steps`, `finish` (text, tokens, embedding), and beside the engine `decode`
  (FLAC files through the decoder's process) and `database` (the writer of a transcription run, durable PostgreSQL).
- `aligning_ms`: what the times of words cost more, of one core per clip; the baseline gives none, so the ratios are
  without.

The ratios depend on the machine: on 2026-11-22 two cores that were twice as fast gave 6.4 and 11.2 (commit `cddd146`,
baseline 38 and 65, ours 254 and 741). Slower ones lose more time with the many small operations the baseline consists
of than with large products. With one thread in place of two the baseline is as fast within its noise.
"""


@dataclass(frozen=True)
class Round:
    """Seconds of audio heard per second, by the card's usage and by ours."""

    card: float
    ours: float

    @property
    def ratio(self) -> float:
        """Ours over the card's."""
        return self.ours / self.card


def main() -> None:
    quick = arguments(__doc__ or "").quick
    transformers_logging.set_verbosity_error()
    clips = made_clips(QUICK_CLIPS if quick else CLIPS)
    loaded = load_model(str(ROOT / "models" / "glm-asr-tiny"))
    rounds, splits = {}, {}
    for window in WINDOWS:
        engine = GlmAsrEngine(_with_window(loaded, window))
        rounds[window] = _rounds(engine, clips, rounds=1 if quick else ROUNDS)
        splits[window] = _split(engine, clips)
    heard = GlmAsrEngine(loaded).hear(clips)
    beside = {"decode": _decoding(clips), "database": _writing(heard)}
    aligning = _aligning(loaded, clips)
    publish(_report(clips, rounds, splits, beside, aligning), quick=quick)


def made_clips(count: int) -> list[np.ndarray]:
    """Speech of 1 to 8 s, float32 [n] at 16 kHz: phrases of one speaker until a drawn length is reached."""
    rng, synthesiser = Random(SEED), Synthesiser()
    return [_made_clip(rng, synthesiser) for _ in range(count)]


def _made_clip(rng: Random, synthesiser: Synthesiser) -> np.ndarray:
    speaker, wanted = training_speaker(rng.choice(known()), rng), rng.uniform(SHORTEST, LONGEST)
    pieces: list[np.ndarray] = []
    while sum(map(len, pieces)) < wanted * SAMPLE_RATE:
        pieces.append(speak(synthesiser, speaker, phrase(speaker.dialect.name, rng).say, rng))
    return np.concatenate(pieces)[: round(LONGEST * SAMPLE_RATE)]


def _with_window(loaded: LoadedModel, window: str) -> LoadedModel:
    """The model under that policy, without an aligner: the card's usage gives no times either."""
    return replace(loaded, manifest=replace(loaded.manifest, window=window), aligner=None)


def _rounds(engine: GlmAsrEngine, clips: Sequence[np.ndarray], *, rounds: int) -> list[Round]:
    for clip in clips[:2]:
        _card(engine, clip)
    engine.hear(clips[: len(clips) // 4])
    found = []
    for number in range(rounds):
        part = range(number, len(clips), rounds)
        texts, card = _timed(lambda part=part: [_card(engine, clips[i]) for i in part])  # type: ignore[misc]
        heard, ours = _timed(lambda: engine.hear(clips))
        for i, text in zip(part, texts, strict=True):
            if heard[i].text != text.strip():
                raise AssertionError(
                    f"clip {i}: the card's usage hears {text!r}, the engine {heard[i].text!r}"
                )
        found.append(Round(_seconds(clips[i] for i in part) / card, _seconds(clips) / ours))
        print(f"{engine.loaded.manifest.window}: {found[-1].ratio:.1f} x", flush=True)
    return found


def _card(engine: GlmAsrEngine, clip: np.ndarray) -> str:
    """The card's usage for one clip, in the window the engine puts it in."""
    loaded = engine.loaded
    padding = {"padding": "max_length", "max_length": window_samples(loaded, len(clip))}
    inputs = loaded.processor.apply_transcription_request(
        clip, processor_kwargs={"audio_kwargs": {**padding, "sampling_rate": SAMPLE_RATE}}
    )
    out = loaded.model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=engine.token_cap(len(clip)),
        output_scores=True,
        return_dict_in_generate=True,
    )
    written = out.sequences[:, inputs.input_ids.shape[1] :]
    text: str = loaded.processor.batch_decode(written, skip_special_tokens=True)[0]
    return text


def _split(engine: GlmAsrEngine, clips: Sequence[np.ndarray]) -> dict[str, float]:
    """Milliseconds of one core per clip in each part of the engine."""
    parts: dict[str, tuple[Any, str]] = {
        "features": (GlmAsrEngine, "_spectra"),
        "encoder": (hearing, "listen"),
        "projector": (hearing, "prompts"),
        "prefill": (greedy.Decoder, "admit"),
        "steps": (greedy.Decoder, "step"),
        "leaving": (greedy.Decoder, "leave"),
        "finish": (GlmAsrEngine, "_whole"),
    }
    taken = dict.fromkeys(parts, 0.0)
    with _one_thread(), ExitStack() as stack:
        engine.hear(clips[:2])
        for name, (owner, attribute) in parts.items():
            stack.enter_context(
                patch.object(owner, attribute, _counted(getattr(owner, attribute), taken, name))
            )
        engine.hear(clips)
    taken["prefill"] += taken.pop("projector")
    taken["steps"] += taken.pop("leaving")
    return {name: 1000 * seconds / len(clips) for name, seconds in taken.items()}


def _counted(work: Callable[..., Any], taken: dict[str, float], name: str) -> Callable[..., Any]:
    def counted(*args: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return work(*args, **named)
        finally:
            taken[name] += time.thread_time() - began

    return counted


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _aligning(loaded: LoadedModel, clips: Sequence[np.ndarray]) -> float | None:
    """Milliseconds of one core per clip that the times of words cost; None where the model has no aligner."""
    if loaded.aligner is None:
        return None
    taken, some = {"aligning": 0.0}, list(clips[:100])
    counted = _counted(Aligner.align_batch, taken, "aligning")
    with _one_thread(), patch.object(Aligner, "align_batch", counted):
        GlmAsrEngine(loaded).hear(some)
    return 1000 * taken["aligning"] / len(some)


def _decoding(clips: Sequence[np.ndarray]) -> float:
    """Milliseconds per clip of reading FLAC files through the decoder's own process."""
    with tempfile.TemporaryDirectory() as folder, Decoder() as decoder:
        files = [(Path(folder) / f"{number}.flac", f"{number}.flac") for number in range(len(clips))]
        for (path, _), clip in zip(files, clips, strict=True):
            soundfile.write(path, clip, SAMPLE_RATE)
        list(decoder.decode_all(files[:2]))
        _, seconds = _timed(lambda: list(decoder.decode_all(files)))
    return 1000 * seconds / len(clips)


def _writing(heard: Sequence[Heard]) -> float:
    """Milliseconds per clip of writing what was heard as a transcription run does."""
    with platform():
        from earmark.corpus.models import Clip
        from earmark.recognition.models import ModelVersion
        from earmark.recognition.reading import Sounding
        from earmark.recognition.writing import Writer

        made = make(max(FEWEST_ROWS, len(heard)), seed=SEED, is_heard=False)
        model = ModelVersion.objects.get(pk=made.champion)
        silence = np.zeros(SAMPLE_RATE, np.float32)
        rows = [Sounding(clip, silence) for clip in Clip.objects.order_by("pk")[: len(heard)]]
        with Writer() as writer:
            for start in range(0, len(heard), 100):
                some = slice(start, start + 100)
                writer.put(model, list(zip(rows[some], heard[some], strict=True)))
        if writer.written.heard != len(heard):
            raise AssertionError(f"{writer.written.heard} of {len(heard)} were written")
        return 1000 * writer.written.writing / len(heard)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    done = work()
    return done, time.perf_counter() - began


def _seconds(clips: Any) -> float:
    return float(sum(map(len, clips))) / SAMPLE_RATE


def _report(
    clips: Sequence[np.ndarray],
    rounds: dict[str, list[Round]],
    splits: dict[str, dict[str, float]],
    beside: dict[str, float],
    aligning: float | None,
) -> Report:
    ours = {window: statistics.median(each.ours for each in rounds[window]) for window in WINDOWS}
    card = {window: statistics.median(each.card for each in rounds[window]) for window in WINDOWS}
    ratios = {window: [each.ratio for each in rounds[window]] for window in WINDOWS}
    figures: dict[str, Any] = {
        **{f"ratio_{window}": statistics.median(ratios[window]) for window in WINDOWS},
        "ratio_trimmed_to_card": ours["trimmed"] / card["fixed"],
        "text_identical": 1.0,
        **{f"rtfx_{window}": ours[window] for window in WINDOWS},
        **{f"ratios_{window}": ratios[window] for window in WINDOWS},
        **{f"split_{window}": {**splits[window], **beside} for window in WINDOWS},
        "aligning_ms": aligning,
        "slots": glm._CPU.slots,
    }
    baseline: dict[str, Any] = {f"rtfx_{window}": card[window] for window in WINDOWS}
    page = PAGE.format(
        clips=len(clips),
        seconds=_seconds(clips),
        threads=torch.get_num_threads(),
        rounds=len(rounds["fixed"]),
    )
    return Report("transcription_cpu", figures, baseline, seeds=[SEED], page=page)


if __name__ == "__main__":
    main()
