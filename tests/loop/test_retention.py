"""Details go once nobody looks at them any more; texts and confidences stay, and pages show them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django.fixtures import Settings

from annotation.models import Round
from earmark.accounts.models import AuditEntry
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.jobs import running
from earmark.jobs.models import Job, Status
from earmark.loop import retention
from earmark.loop.retention import submit_thinning, superseded
from earmark.recognition import retention as thinning
from earmark.recognition.models import Alias, Hypothesis, HypothesisDetails, ModelVersion
from earmark.recognition.registry import set_alias
from earmark.recognition.run_models import TranscriptionRun
from earmark.recognition.writing import row_of, write
from earmark.speech.confidence import Confidence
from earmark.speech.stub import heard as said
from earmark.web.templatetags.display import heard
from tests.recognition.world import make_clip, make_collection, make_model
from training_jobs.models import TrainingJob

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(days=40)


def old_model(collection: Collection, clips: int = 3) -> ModelVersion:
    """A model that heard a few clips forty days ago."""
    model, then = make_model(), timezone.now() - LONG_AGO
    first = 100 + collection.recordings.count()
    for level in range(first, first + clips):
        row = Hypothesis.objects.create(
            clip=make_clip(collection, level), model=model, text="one", confidence=0.5
        )
        HypothesisDetails.objects.create(hypothesis=row, tokens=[["one", -0.1, 0.2]])
    Hypothesis.objects.filter(model=model).update(created_at=then)
    ModelVersion.objects.filter(pk=model.pk).update(created_at=then)
    return model


def now() -> datetime:
    return timezone.now()


def a_job(status: str) -> Job:
    return Job.objects.create(kind="test", queue="cpu", status=status, finished_at=now() - LONG_AGO)


def training(collection: Collection, base: ModelVersion, job: Job) -> None:
    snapshot = Snapshot.objects.create(
        collection=collection, purpose="training", digest=str(job.pk), counts={}
    )
    TrainingJob.objects.create(
        collection=collection, snapshot=snapshot, base=base, recipe="demo", seed=1, job=job
    )


def a_round(collection: Collection, model: ModelVersion, **how: Any) -> Round:
    return Round.objects.create(
        collection=collection,
        number=1,
        strategy="s",
        budget_seconds=60,
        audit_share=0.1,
        seed=1,
        model=model,
        **how,
    )


def test_only_a_model_without_any_part_is_superseded_and_only_after_its_time() -> None:
    collection = make_collection()
    idle, champion, base, chosen, heard_lately, hearing = (old_model(collection, 1) for _ in range(6))
    Alias.objects.create(collection=collection, name=Alias.Name.CHALLENGER, model=champion)
    training(collection, base, a_job(Status.RUNNING))
    a_round(collection, chosen, status=Round.Status.OPEN)
    Hypothesis.objects.create(clip=make_clip(collection, 900), model=heard_lately, confidence=0.5)
    TranscriptionRun.objects.create(
        collection=collection, model=hearing, only="pool", queue="gpu", job=a_job(Status.QUEUED)
    )
    assert superseded(now=now()) == [idle.pk]
    assert superseded(now=now() - timedelta(days=20)) == []


def test_what_ended_lately_is_kept_for_the_same_time() -> None:
    collection, other = make_collection(), make_collection()
    before, closed = old_model(collection, 1), old_model(collection, 1)
    ended = old_model(collection, 1)
    set_alias(collection=other, name="champion", model=before, by=None)
    set_alias(collection=other, name="champion", model=make_model(), by=None)
    a_round(collection, closed, status=Round.Status.CLOSED, closed_at=now() - timedelta(days=3))
    training(collection, ended, a_job(Status.SUCCEEDED))
    assert superseded(now=now()) == [ended.pk]
    AuditEntry.objects.update(at=now() - LONG_AGO)
    Round.objects.update(closed_at=now() - LONG_AGO)
    assert superseded(now=now()) == [before.pk, closed.pk, ended.pk]


def test_details_are_thinned_in_batches_with_an_entry_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "BATCH", 2)
    collection = make_collection()
    kept, gone = old_model(collection), old_model(collection)
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=kept)
    job = submit_thinning()
    assert job is not None
    assert running.run(job.pk) == Status.SUCCEEDED
    job.refresh_from_db()
    assert job.result == {"hypotheses": 3, "models": [gone.name]}
    assert set(HypothesisDetails.objects.values_list("hypothesis__model", flat=True)) == {kept.pk}
    assert AuditEntry.objects.get(verb="thin details").details["hypotheses"] == 3
    row = Hypothesis.objects.filter(model=gone).first()
    assert row is not None
    assert (row.text, row.confidence, row.tokens, row.words) == ("one", 0.5, [], [])
    assert "one" in heard(row)
    assert submit_thinning() is None, "there is nothing left to thin"
    gone.refresh_from_db()
    assert gone.thinned_at is not None, "and its hypotheses are not looked at again"
    clip = make_clip(collection, 900)
    write(gone, [row_of(clip, said("two"), Confidence(0.5, {}, ()))])
    gone.refresh_from_db()
    assert gone.thinned_at is None, "until it hears"


def test_a_model_that_is_wanted_again_meanwhile_loses_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "BATCH", 2)
    collection = make_collection()
    model = old_model(collection, 4)

    class Promoting:
        job_id = attempt = 1

        def progress(self, done: float, total: float, note: str = "") -> None:
            Alias.objects.get_or_create(collection=collection, name="champion", defaults={"model": model})

        def check(self) -> None:
            """Nobody stops it."""

    assert retention.run_thinning(Promoting())["hypotheses"] == 2
    assert HypothesisDetails.objects.count() == 2


def test_nothing_is_thinned_where_details_are_kept_for_good(settings: Settings) -> None:
    settings.EARMARK = replace(django_settings.EARMARK, details_days=0)
    old_model(make_collection())
    assert submit_thinning() is None
