"""Kill -9 the worker during transcription, sync and training: the loop completes, nothing happens twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from annotation.label_studio import client
from annotation.models import Annotation, Round, RoundClip
from annotation.rounds import request_round, start_sync
from earmark.config.environment import Environment
from earmark.corpus.ingest import submit_ingest
from earmark.corpus.models import Clip, Collection, Reference
from earmark.corpus.queries import usable
from earmark.corpus.services import create_collection
from earmark.datasets.snapshots import freeze_test_set
from earmark.demo.annotators import label_round
from earmark.demo.speech_folder import Plan, write_speech_folder
from earmark.demo.turns import spoken_by_clip
from earmark.recognition.models import Hypothesis
from earmark.recognition.runs import submit_transcription
from tests.whole.worker import LEASE_SECONDS, finish, kill_when
from training_jobs.models import TrainingMetric
from training_jobs.services import launch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

PLAN = Plan(
    train_speakers=2,
    dev_speakers=1,
    test_speakers=1,
    train_utterances=24,
    dev_utterances=3,
    test_utterances=4,
)
SHORT_TRAINING = {
    "warm_up_epochs": 1, "mixed_epochs": 2, "epoch_steps": 12, "batch_size": 8, "patience": 0,
    "pseudo_score": "sequence",
}  # fmt: skip


@pytest.fixture(autouse=True)
def short_leases(label_studio: Environment) -> Iterator[None]:
    with override_settings(EARMARK=replace(settings.EARMARK, job_lease_seconds=LEASE_SECONDS)):
        yield


def test_the_loop_completes_though_its_worker_is_killed_three_times(tmp_path: Path) -> None:
    log, folder = tmp_path / "worker.log", tmp_path / "speech"
    write_speech_folder(folder, seed=5, plan=PLAN)
    collection = create_collection(slug="killed", name="Killed", by=None)
    _, ingest = submit_ingest(collection=collection, source=folder, manifest=folder / "manifest.csv")
    finish(ingest, log=log)
    freeze_test_set(collection=collection, by=None)

    hear_through_a_kill(collection, log)
    opened = label_through_a_kill(collection, folder, log)
    assert opened.status == Round.Status.OPEN
    train_through_a_kill(collection, log)


def hear_through_a_kill(collection: Collection, log: Path) -> None:
    job = submit_transcription(collection=collection, only="pool", by=None)
    heard = Hypothesis.objects.filter(clip__collection=collection)
    kill_when(heard.exists, job, log=log)
    before = dict(heard.values_list("pk", "text"))
    pool = Clip.objects.filter(usable(), collection=collection, split="train").count()
    assert 0 < len(before) < pool, "the kill came in the middle"
    finish(job, log=log)
    after = dict(heard.values_list("pk", "text"))
    assert len(after) == pool == heard.values("clip").distinct().count()
    assert before.items() <= after.items(), "what was heard before the kill was not heard again"


def label_through_a_kill(collection: Collection, folder: Path, log: Path) -> Round:
    pool = sum(Clip.objects.filter(collection=collection, split="train").values_list("seconds", flat=True))
    opened, job = request_round(
        collection=collection, budget_seconds=pool * 0.3, audit_share=0.1, seed=1, by=None
    )
    kill_when(RoundClip.objects.filter(round=opened).exists, job, log=log)
    finish(job, log=log)
    opened.refresh_from_db()
    assert opened.project_id is not None
    with client() as studio:
        there = [task for page in studio.tasks(opened.project_id) for task in page]
    tasks = Counter(task["data"]["clip"] for task in there)
    assert set(tasks.values()) == {1}, "no clip is twice in Label Studio"
    assert set(tasks) == set(opened.clips.values_list("clip_id", flat=True))

    label_round(opened, spoken_by_clip(collection, folder), seed=1)
    sync = start_sync(round=opened)
    kill_when(Annotation.objects.filter(round_clip__round=opened).exists, sync, log=log)
    finish(sync, log=log)
    annotated = Annotation.objects.filter(round_clip__round=opened)
    assert annotated.count() == opened.clips.count() == annotated.values("round_clip").distinct().count()
    written = Reference.objects.filter(clip__round_clips__round=opened)
    labelled = annotated.filter(was_skipped=False, round_clip__clip__state=Clip.State.LABELLED)
    assert written.count() == labelled.count(), "one reference for each labelled clip"
    assert set(written.values_list("version", flat=True)) == {1}
    return opened


def train_through_a_kill(collection: Collection, log: Path) -> None:
    training = launch(collection=collection, recipe="demo", seed=1, overrides=SHORT_TRAINING, by=None)
    assert training.job is not None
    steps = TrainingMetric.objects.filter(training_job=training, step__gt=14)
    kill_when(steps.exists, training.job, log=log)
    finish(training.job, log=log)
    training.refresh_from_db()
    assert training.model is not None
    stages = list(TrainingMetric.objects.filter(training_job=training).values_list("stage", "step"))
    resumed = [step for stage, step in stages if stage == "resumed"]
    assert len(resumed) == 1
    assert resumed[0] > 0, "it went on from its checkpoint, not from the start"
    assert stages[-1][0] == "final"
