"""An encoder that was trained further needs its aligner fitted again, from the job's own clips and texts."""

from dataclasses import replace

import numpy as np

from earmark.speech.aligner_training import train_aligner
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.model_folder import LoadedModel
from earmark.speech.spelling import spell
from training_jobs.recipe.pseudo_labels import Interrupted
from training_jobs.recipe.run import Run
from training_jobs.recipe.sampling import generator

MOST_SECONDS = 1_200.0
"""Audio an aligner is fitted on: more takes time and changes little."""


def with_aligner(run: Run, chosen: LoadedModel) -> LoadedModel:
    """The chosen model with the parent's aligner fitted to it; as it is where the parent has none or no text a word.

    Heard are the labelled clips and, while there is room, what is trusted of the pool, so that what the new labels do
    not speak of is not forgotten. The seed decides all that is drawn, so a run that was killed here ends in the same
    aligner. Raises Interrupted.
    """
    if chosen.aligner is None:
        return chosen
    waveforms, texts = _clips(run)
    if not any(map(spell, texts)):
        return chosen

    def checking() -> None:
        if run.stopping():
            raise Interrupted

    was_training = chosen.model.training
    chosen.model.eval()
    aligner = train_aligner(chosen, waveforms, texts, seed=run.job.seed, checking=checking)
    chosen.model.train(was_training)
    return replace(chosen, aligner=aligner)


def _clips(run: Run) -> tuple[list[np.ndarray], list[str]]:
    data = run.data
    trusted = [(data.unlabelled[label.index], label.text) for label in (*run.labels, *run.replay)]
    known = [(entry, entry.text) for entry in data.labelled]
    drawn = generator(run.job.seed, "aligner", 0)
    pairs = [part[i] for part in (known, trusted) for i in drawn.permutation(len(part)).tolist()]
    waveforms, texts, seconds = list[np.ndarray](), list[str](), 0.0
    for entry, text in pairs:
        if seconds + entry.seconds > MOST_SECONDS and texts:
            break
        samples = run.audio(entry)
        seconds += len(samples) / SAMPLE_RATE
        waveforms.append(samples)
        texts.append(text)
    return waveforms, texts
