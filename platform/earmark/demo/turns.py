"""Two rounds of the loop on the demo corpus, through the functions that pages, REST and commands call."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotation.acquisition import DEFAULT_STRATEGY
from annotation.models import Round
from annotation.queries import round_progress
from annotation.rounds import close_round, request_round, start_sync
from earmark.accounts.models import User
from earmark.config.commands.session import follow, progress_bar
from earmark.corpus.ingest import submit_ingest
from earmark.corpus.models import Clip, Collection, Split
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import freeze_test_set
from earmark.demo.annotators import label_round
from earmark.demo.speech_folder import read_spoken
from earmark.jobs.models import Job
from earmark.loop.promotion import promote_if_better
from earmark.loop.saying import said
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import champion
from earmark.recognition.runs import submit_transcription
from earmark.speech.errors import EarmarkError
from training_jobs.models import Evaluation, TrainingJob
from training_jobs.services import launch, request_evaluation

ROUNDS = 2
BUDGET_SHARE = 0.06
AUDIT_SHARE = 0.2
"""About 30 clips a round: enough to see what a confidence means, barely."""
RECIPE = "demo"


@dataclass
class Stages:
    """Wall seconds spent in each stage of a round."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 1)


@dataclass(frozen=True)
class Turned:
    """What one round did."""

    round: Round
    progress: dict[str, Any]
    training: TrainingJob
    before: Evaluation
    after: Evaluation
    promoted: bool
    reason: str
    stages: Stages


def bring_in(collection: Collection, folder: Path, by: User) -> Snapshot:
    """Ingest the folder, freeze the test set and let the first champion hear it."""
    _, job = submit_ingest(collection=collection, source=folder, manifest=folder / "manifest.csv", by=by)
    follow(job, "ingest")
    frozen = freeze_test_set(collection=collection, by=by)
    follow(request_evaluation(model=champion(collection), snapshot=frozen, by=by), "evaluate the first model")
    return frozen


def turn(collection: Collection, frozen: Snapshot, folder: Path, *, seed: int, by: User) -> Turned:
    """One turn of the wheel: hear, choose, label, sync, train, evaluate, promote."""
    stages = Stages()
    before = champion(collection)
    with stages.timed("transcribe"):
        follow(submit_transcription(collection=collection, only="pool", by=by), "transcribe the pool")
    opened = _open_round(collection, seed=seed, by=by, stages=stages)
    with stages.timed("label"):
        _label(opened, spoken_by_clip(collection, folder), seed=seed)
    with stages.timed("sync"):
        follow(start_sync(round=opened), "sync")
        close_round(round=opened, by=by)
    training, after = _train(collection, frozen, seed=seed, by=by, stages=stages)
    judged = promote_if_better(collection=collection, model=after, by=by)
    return Turned(
        round=opened,
        progress=round_progress(opened),
        training=training,
        before=_score(before, frozen),
        after=_score(after, frozen),
        promoted=judged.is_change,
        reason=said(judged),
        stages=stages,
    )


def hear_again(collection: Collection, by: User) -> None:
    """What the new champion should hear again: the pool nobody has labelled."""
    follow(submit_transcription(collection=collection, only="pool", by=by), "transcribe again")


def pool_seconds(collection: Collection) -> float:
    """Seconds of audio that may be labelled and trained on."""
    return sum(
        Clip.objects.filter(collection=collection, split=Split.TRAIN).values_list("seconds", flat=True)
    )


def spoken_by_clip(collection: Collection, folder: Path) -> dict[int, str]:
    """What a person hears in each clip of the pool: the demo's recordings hold one clip each."""
    spoken = read_spoken(folder)
    clips = Clip.objects.filter(collection=collection, split=Split.TRAIN).values_list("id", "recording__name")
    return {clip: spoken[name] for clip, name in clips}


def _open_round(collection: Collection, *, seed: int, by: User, stages: Stages) -> Round:
    with stages.timed("open"):
        opened, job = request_round(
            collection=collection,
            budget_seconds=BUDGET_SHARE * pool_seconds(collection),
            audit_share=AUDIT_SHARE,
            strategy=DEFAULT_STRATEGY,
            seed=seed,
            by=by,
        )
        follow(job, f"open round {opened.number}")
    opened.refresh_from_db()
    return opened


def _label(opened: Round, spoken: dict[int, str], *, seed: int) -> None:
    with progress_bar() as bar:
        task = bar.add_task(f"label round {opened.number}", total=opened.clips.count(), note="")
        label_round(
            opened, spoken, seed=seed, listen=True, watch=lambda done: bar.update(task, completed=done)
        )


def _train(
    collection: Collection, frozen: Snapshot, *, seed: int, by: User, stages: Stages
) -> tuple[TrainingJob, ModelVersion]:
    with stages.timed("train"):
        training = launch(collection=collection, recipe=RECIPE, seed=seed, by=by)
        follow(Job.objects.get(key=f"train:{training.pk}"), "train")
    training.refresh_from_db()
    if training.model is None:
        raise EarmarkError(
            "demo:training:no-model", f"Training {training.pk} made no model.", "Read its page."
        )
    with stages.timed("evaluate"):
        follow(request_evaluation(model=training.model, snapshot=frozen, by=by), "evaluate")
    return training, training.model


def _score(model: ModelVersion, frozen: Snapshot) -> Evaluation:
    return Evaluation.objects.get(model=model, snapshot=frozen)
