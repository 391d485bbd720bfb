"""One training of a comparison: trained in a process of its own, its model scored on clips it never saw."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.batching import length_sorted_batches
from earmark.speech.decoding import Decoder
from earmark.speech.glm import GlmAsrEngine
from earmark.speech.model_folder import load_model
from earmark.speech.scoring import ErrorCounts, count_errors, error_rate
from training_jobs.recipe.job_folder import JobFolder
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.prepare import read_metrics, write_job

BATCH_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """What a trained model got wrong in each test clip, how good its pseudo-labels were, and the steps done."""

    counts: list[ErrorCounts]
    passes: list[dict[str, float]]
    steps: int

    @property
    def error_rate(self) -> float:
        """Over all test clips."""
        return error_rate(self.counts)


def outcome(
    folder: Path,
    job: Mapping[str, Any],
    *,
    test: Sequence[ClipEntry],
    truth: Mapping[str, str],
) -> Outcome:
    """Train `job`, the arguments of `write_job`, in `folder` and score its model; what was done before is read.

    `truth`: what is said in the clips of the pool, by id, empty where nothing is to be learned. A job of other
    arguments in the same folder is an error: the training would be another.
    """
    kept = folder / "outcome.json"
    if not kept.exists():
        write_job(folder, threads=1, checkpoint_seconds=120.0, **job)
        command = [sys.executable, "-m", "training_jobs.recipe", str(folder)]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        done = Outcome(_scored(folder, test), _passes(folder, truth), _steps(folder))
        counts = [astuple(one) for one in done.counts]
        text = json.dumps({"counts": counts, "passes": done.passes, "steps": done.steps})
        kept.write_text(text, encoding="utf-8")
    values = json.loads(kept.read_text(encoding="utf-8"))
    return Outcome([ErrorCounts(*each) for each in values["counts"]], values["passes"], values["steps"])


def _scored(folder: Path, test: Sequence[ClipEntry]) -> list[ErrorCounts]:
    torch.set_num_threads(1)
    engine = GlmAsrEngine(replace(load_model(str(JobFolder(folder).model)), aligner=None))
    with Decoder() as decoder:
        whole = {path: decoder.decode(Path(path)).samples for path in {entry.audio for entry in test}}
    counts: dict[int, ErrorCounts] = {}
    for batch in length_sorted_batches([entry.seconds for entry in test], BATCH_SECONDS):
        heard = engine.hear([_cut(whole[test[i].audio], test[i]) for i in batch])
        for i, one in zip(batch, heard, strict=True):
            counts[i] = count_errors(test[i].text, one.text, test[i].language)
    return [counts[i] for i in range(len(test))]


def _cut(samples: Any, entry: ClipEntry) -> Any:
    first = round(entry.start * SAMPLE_RATE)
    return samples[first : first + round(entry.seconds * SAMPLE_RATE)]


def _passes(folder: Path, truth: Mapping[str, str]) -> list[dict[str, float]]:
    """Of each labelling pass: the share of the clips heard that was accepted, what was expected of it, what is true.

    A clip of which nothing is to be learned counts as all wrong when it is accepted.
    """
    languages = {}
    for line in JobFolder(folder).unlabelled.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        languages[entry["id"]] = entry["language"]
    said = [m.values for m in read_metrics(folder)[0] if "accepted" in m.values]
    found = []
    for metric, path in zip(said, sorted(JobFolder(folder).pseudo_labels.glob("*.jsonl")), strict=True):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        counts = [count_errors(truth[row["id"]], row["text"], languages[row["id"]]) for row in rows]
        found.append(
            {
                "step": metric["step"],
                "accepted_share": len(rows) / max(1, metric["clips"]),
                "error_rate": error_rate(counts),
                "garbage_share": sum(not truth[row["id"]] for row in rows) / max(1, len(rows)),
                **({"expected": metric["expected_error"]} if "expected_error" in metric else {}),
            }
        )
    return found


def _steps(folder: Path) -> int:
    return max(m.values["step"] for m in read_metrics(folder)[0])
