"""A small collection with one of everything, in rows."""

from dataclasses import dataclass, field
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone
from rest_framework.test import APIClient

from annotation.models import Annotation, Round, RoundClip
from annotation.routing_models import Pass
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.models import (
    Clip,
    Collection,
    Import,
    ImportFile,
    Membership,
    Recording,
    Reference,
    Speaker,
    Split,
)
from earmark.datasets.models import Export, Snapshot, SnapshotItem
from earmark.jobs.models import Job, Status
from earmark.recognition.models import Alias, Hypothesis, HypothesisDetails, ModelVersion
from tests.recognition.world import make_run
from tests.training_jobs.comparisons import a_comparison
from training_jobs.models import Evaluation, TrainingJob, TrainingMetric

PASSWORD = "a quiet room"
SIDES = (Split.TRAIN, Split.DEV, Split.TEST)
EXPORTED = b'{"text": "yat yi saam"}\n'


@dataclass
class World:
    """What was made, by what tests ask for. `pks` gives each address below the collections its row."""

    collection: Collection
    model: ModelVersion
    rival: ModelVersion
    clips: list[Clip]
    training_set: Snapshot
    test_set: Snapshot
    round: Round
    training: TrainingJob
    export: Export
    people: dict[str, User] = field(default_factory=dict)
    pks: dict[str, Any] = field(default_factory=dict)

    def client(self, name: str) -> APIClient:
        """A client signed in as `name`; "anonymous" is nobody."""
        client = APIClient()
        if name != "anonymous":
            client.force_authenticate(self.people[name])
        return client


def person(name: str, *, superuser: bool = False) -> User:
    """Somebody with the password PASSWORD."""
    return User.objects.create_user(name, f"{name}@example.org", PASSWORD, is_superuser=superuser)


def members(collection: Collection) -> dict[str, User]:
    """One person for each role, named after it, an outsider and a superuser."""
    people = {role.value: person(role.value) for role in Role}
    Membership.objects.bulk_create(
        Membership(collection=collection, user=people[role], role=role) for role in Role
    )
    return {**people, "outsider": person("outsider"), "superuser": person("superuser", superuser=True)}


def add_clips(collection: Collection, model: ModelVersion, *, per_side: int) -> list[Clip]:
    """Clips on every side, all heard, surer and surer; the first of each side has two versions of a reference."""
    clips = []
    for side in SIDES:
        speaker = Speaker.objects.create(
            collection=collection,
            name=f"{collection.slug}-{side}",
            language="yue",
            dialect="hong kong",
            split=side,
        )
        recordings = Recording.objects.bulk_create(
            Recording(
                collection=collection, sha256=f"{collection.pk}-{side}-{number}", name=f"{side}/{number}.wav",
                file=f"{number}.wav", bytes=32_044, seconds=1.0, rate=16_000, channels=1, format="WAV",
                speaker=speaker, language="yue", dialect="hong kong",
            )
            for number in range(per_side)
        )  # fmt: skip
        clips += Clip.objects.bulk_create(
            Clip(
                collection=collection, recording=recording, speaker=speaker, start=0, seconds=1.0, language="yue",
                dialect="hong kong", split=side, state=Clip.State.HEARD if number else Clip.State.LABELLED,
            )
            for number, recording in enumerate(recordings)
        )  # fmt: skip
    heard = Hypothesis.objects.bulk_create(
        Hypothesis(
            clip=clip, model=model, text="yat yi saam", features={"mean": 0.9},
            confidence=(number % per_side) / per_side, flags=["loop"] if number % per_side == 0 else [],
        )
        for number, clip in enumerate(clips)
    )  # fmt: skip
    HypothesisDetails.objects.bulk_create(
        HypothesisDetails(hypothesis=one, tokens=[["yat", -0.1, 0.2]], embedding=b"\0\x3c" * 8)
        for one in heard
    )
    Reference.objects.bulk_create(
        Reference(
            clip=clip,
            version=version,
            text="yat yi saam",
            kind="annotator",
            author="mei",
            is_current=version == 2,
        )
        for clip in clips[::per_side]
        for version in (1, 2)
    )
    return clips


def freeze(collection: Collection, purpose: Snapshot.Purpose, clips: list[Clip]) -> Snapshot:
    """A snapshot of `clips`, all labelled."""
    snapshot = Snapshot.objects.create(
        collection=collection, purpose=purpose, digest=f"{purpose}{collection.pk}".ljust(64, "0"),
        counts={"clips": len(clips), "labelled_clips": len(clips)},
    )  # fmt: skip
    SnapshotItem.objects.bulk_create(
        SnapshotItem(snapshot=snapshot, clip=clip, split=clip.split, text="yat yi saam") for clip in clips
    )
    return snapshot


def finished_job(collection: Collection, kind: str) -> Job:
    """A job of that kind that has succeeded."""
    return Job.objects.create(
        kind=kind, queue="cpu", scope=collection.scope, status=Status.SUCCEEDED, finished_at=timezone.now()
    )


def add_round(collection: Collection, model: ModelVersion, clip: Clip) -> Round:
    """An open round with one clip that came back."""
    row = Round.objects.create(
        collection=collection, number=1, status=Round.Status.OPEN, strategy="annotation.acquisition.random",
        budget_seconds=60, audit_share=0.1, seed=1, model=model, project_id=1000 + collection.pk,
    )  # fmt: skip
    place = RoundClip.objects.create(
        round=row, clip=clip, reason="strategy", score=0.5, outcome=RoundClip.Outcome.LABELLED
    )
    asked = Pass.objects.create(round=row, round_clip=place, number=1, task_id=7, status=Pass.Status.DONE)
    Annotation.objects.create(
        round_clip=place, of_pass=asked, annotation_id=3, annotator="mei", text="yat yi saam", lead_seconds=4.0,
        created_at=timezone.now(), updated_at=timezone.now(),
    )  # fmt: skip
    return row


def add_training(collection: Collection, model: ModelVersion, snapshot: Snapshot) -> TrainingJob:
    """A training that runs and has reported three steps."""
    job = Job.objects.create(
        kind="training_jobs.train", queue="gpu", scope=collection.scope, status=Status.RUNNING, attempt=1
    )
    training = TrainingJob.objects.create(
        collection=collection, snapshot=snapshot, base=model, recipe="article", seed=1, job=job
    )
    TrainingMetric.objects.bulk_create(
        TrainingMetric(
            training_job=training, position=100 * step, step=step, stage="warm-up", values={"loss": 1.0}
        )
        for step in range(3)
    )
    return training


def build(slug: str = "cantonese", *, per_side: int = 3) -> World:
    """The collection `slug` with one of everything, and its people."""
    collection = Collection.objects.create(slug=slug, name=slug.capitalize())
    model = ModelVersion.objects.create(name=f"base-{slug}", source="/nowhere", lineage={"seed": 1})
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=model)
    clips = add_clips(collection, model, per_side=per_side)
    made = Import.objects.create(collection=collection, source="/spool/in/audio", left_aside={".txt": 1})
    ImportFile.objects.create(of=made, path="0.wav", outcome="ingested", recording=clips[0].recording)
    ImportFile.objects.create(
        of=made, path="bad.wav", outcome="failed", error_id="corpus:audio:unreadable", error="No audio."
    )
    training_set = freeze(collection, Snapshot.Purpose.TRAINING, clips[: 2 * per_side : per_side])
    test_set = freeze(collection, Snapshot.Purpose.TEST, clips[2 * per_side :: per_side])
    export = Export.objects.create(
        snapshot=training_set, format="jsonl", job=finished_job(collection, "datasets.export"),
        file=ContentFile(EXPORTED, name=f"{slug}.jsonl"),
    )  # fmt: skip
    row = add_round(collection, model, clips[0])
    place = RoundClip.objects.get(round=row)
    anyones = Pass.objects.create(round=row, round_clip=place, number=2)
    training = add_training(collection, model, training_set)
    Evaluation.objects.create(
        model=model, snapshot=test_set, error_rate=0.2, low=0.1, high=0.3, clips=1, seed=20,
        slices={"language": {}, "dialect": {}},
    )  # fmt: skip
    rival = ModelVersion.objects.create(name=f"rival-{slug}", source="/nowhere", engine="whisper")
    compared = a_comparison(model, rival, test_set)
    return World(
        collection=collection,
        model=model,
        rival=rival,
        clips=clips,
        training_set=training_set,
        test_set=test_set,
        round=row,
        training=training,
        export=export,
        pks={
            "imports": made.pk,
            "passes": anyones.pk,
            "review": place.pk,
            "recordings": clips[0].recording_id,
            "clips": clips[0].pk,
            "models": model.pk,
            "rounds": row.pk,
            "snapshots": training_set.pk,
            "exports": export.pk,
            "training-jobs": training.pk,
            "comparisons": compared.pk,
            "jobs": training.job_id or 0,
            "transcriptions": make_run(collection, model).pk,
        },
    )
