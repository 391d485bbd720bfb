"""What the made model's confidence means, learned from the dev clips, so that it may be trusted from its first day."""

import json
from collections.abc import Sequence
from typing import Any

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import length_sorted_batches
from earmark.speech.calibration import Assessed
from earmark.speech.calibration_fit import FEWEST, Audited, audited, fit
from earmark.speech.calibration_report import report
from earmark.speech.confidence import clip_confidence
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import LoadedModel
from earmark.speech.word_doubts import words_of
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.pseudo_labels import Interrupted
from training_jobs.recipe.run import Run
from training_jobs.recipe.sampling import generator

MOST_CLIPS = 1_000


def write_calibration(run: Run, made: LoadedModel) -> None:
    """Write `calibration.json`: `parameters` of a Calibrator, its `report`, and of how many `clips`.

    The weights were chosen on the same clips, so it is a little too sure of itself; clips that a later round draws at
    random replace it. Of fewer than FEWEST dev clips nothing is learned, and nothing is written. Raises Interrupted.
    """
    entries = _some(run.data.dev, run.job.seed)
    if len(entries) < FEWEST:
        return
    known = _audited(run, made, entries)
    values: dict[str, Any] = {
        "parameters": fit(known, generator(run.job.seed, "calibration", "made")).as_json(),
        "report": {**report(known, run.job.seed), "seed": run.job.seed},
        "clips": len(known),
    }
    run.data.folder.calibration.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")


def _some(dev: Sequence[ClipEntry], seed: int) -> list[ClipEntry]:
    drawn = generator(seed, "calibration", "clips").permutation(len(dev))[:MOST_CLIPS]
    return [dev[i] for i in sorted(drawn.tolist())]


def _audited(run: Run, made: LoadedModel, entries: Sequence[ClipEntry]) -> list[Audited]:
    engine, known = GlmAsrEngine(made), list[Audited]()
    for batch in length_sorted_batches([entry.seconds for entry in entries], run.job.hearing_batch_seconds):
        if run.stopping():
            raise Interrupted
        waveforms = [run.audio(entries[i]) for i in batch]
        for i, samples, heard in zip(batch, waveforms, engine.hear(waveforms), strict=True):
            seconds, language = len(samples) / SAMPLE_RATE, entries[i].language
            found = clip_confidence(heard, seconds, samples, language=language)
            known.append(
                audited(
                    Assessed(found.value, found.features, found.flags),
                    text=heard.text,
                    reference=entries[i].text,
                    language=language,
                    words=[word for word in words_of(heard.tokens) if word.text],
                )
            )
    return known
