"""A believable collection in rows alone: nothing is heard, trained or sent anywhere."""

import hashlib
import math
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.utils import timezone

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
from earmark.recognition.champion_shown import follow_champion
from earmark.recognition.models import Alias, Calibration, Hypothesis, HypothesisDetails, ModelVersion
from earmark.speech.calibration import Assessed
from earmark.speech.calibration_fit import Audited, fit
from earmark.speech.calibration_report import report
from earmark.speech.scoring import ErrorCounts
from training_jobs.models import Evaluation, HeldDevice, TrainingJob, TrainingMetric

PASSWORD = "a quiet room"
DIALECTS = {
    "american": ("en", ["turn the lights off", "call seven two nine four", "set a timer for ten minutes"]),
    "scottish": ("en", ["play the next song", "what is the time", "four oh nine double three"]),
    "mandarin": ("zh", ["打开客厅的灯", "明天早上七点叫我", "二零二六年"]),
    "cantonese": ("yue", ["今日天氣好好", "幫我打電話", "三七二十一"]),
}
SPLITS = [Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.DEV, Split.TEST]


@dataclass
class World:
    """What was made, by what tests ask for."""

    collection: Collection
    people: dict[str, User]
    clips: list[Clip]
    models: list[ModelVersion]
    rounds: list[Round]
    training: TrainingJob
    running: TrainingJob
    test_set: Snapshot
    failed: Job


def person(name: str, *, superuser: bool = False) -> User:
    """Somebody with the password PASSWORD."""
    return User.objects.create_user(
        username=name,
        email=f"{name}@example.org",
        password=PASSWORD,
        is_staff=superuser,
        is_superuser=superuser,
    )


def members(collection: Collection) -> dict[str, User]:
    """One person for each role, named after it."""
    people = {role.value: person(role.value) for role in Role}
    for role, user in people.items():
        Membership.objects.create(collection=collection, user=user, role=role)
    return people


def recordings(collection: Collection, rng: random.Random, per_speaker: int) -> list[Clip]:
    """Speakers of every dialect on every split, their recordings, one clip each."""
    clips: list[Clip] = []
    for dialect, (language, _texts) in DIALECTS.items():
        for number, split in enumerate(SPLITS):
            speaker = Speaker.objects.create(
                collection=collection,
                name=f"{dialect}-{number}",
                language=language,
                dialect=dialect,
                split=split,
            )
            for index in range(per_speaker):
                seconds = round(rng.uniform(1.2, 5.5), 2)
                name = f"{dialect}/{speaker.name}/{index:04d}.flac"
                recording = Recording.objects.create(
                    collection=collection,
                    sha256=hashlib.sha256(f"{collection.slug}{name}".encode()).hexdigest(),
                    name=name, file=name, bytes=32_000, seconds=seconds, rate=44_100, channels=1, format="FLAC",
                    speaker=speaker, language=language, dialect=dialect, licence="CC0",
                )  # fmt: skip
                clip = Clip(
                    collection=collection, recording=recording, speaker=speaker, start=0.0, seconds=seconds
                )
                clip.language, clip.dialect, clip.split, clip.state = (
                    language,
                    dialect,
                    split,
                    Clip.State.HEARD,
                )
                clips.append(clip)
    return Clip.objects.bulk_create(clips)


def words_of(clip: Clip) -> str:
    """What is spoken in the clip."""
    texts = DIALECTS[clip.dialect][1]
    return texts[clip.pk % len(texts)]


def hear(clips: list[Clip], model: ModelVersion, rng: random.Random, *, skill: float) -> list[Hypothesis]:
    """What `model` heard: the better its `skill` (0 to 1), the fewer wrong characters and the surer it is."""
    rows, spelt = [], []
    for clip in clips:
        at_home = clip.dialect in ("american", "mandarin")
        sure = min(0.995, max(0.05, rng.gauss(0.93 if at_home else skill, 0.1)))
        tokens, sounds = [], "".join(DIALECTS[clip.dialect][1]).replace(" ", "")
        for character in words_of(clip):
            wrong = rng.random() > sure and not character.isspace()
            probability = rng.uniform(0.15, 0.6) if wrong else min(0.999, rng.gauss(0.96, 0.05))
            tokens.append([rng.choice(sounds) if wrong else character, round(math.log(probability), 4), 0.2])
        text = "".join(token[0] for token in tokens)
        flags = ["loop"] if rng.random() < 0.02 else []
        rows.append(Hypothesis(clip=clip, model=model, text=text, confidence=round(sure, 4), flags=flags))
        spelt.append(tokens)
    made = Hypothesis.objects.bulk_create(rows)
    HypothesisDetails.objects.bulk_create(
        HypothesisDetails(hypothesis=one, tokens=tokens) for one, tokens in zip(made, spelt, strict=True)
    )
    return made


def a_round(
    collection: Collection,
    clips: list[Clip],
    model: ModelVersion,
    rng: random.Random,
    *,
    number: int,
    answered: float,
) -> Round:
    """A round whose first `answered` share of clips came back from two people; closed when all did."""
    closed = answered >= 1
    opened = timezone.now() - timedelta(days=9 - 4 * number)
    row = Round.objects.create(
        collection=collection, number=number, strategy="annotation.acquisition.least_confidence",
        status=Round.Status.CLOSED if closed else Round.Status.OPEN, budget_seconds=sum(c.seconds for c in clips) + 4,
        audit_share=0.1, seed=number, model=model, project_id=100 * collection.pk + number,
        synced_until=timezone.now(), closed_at=opened + timedelta(days=2) if closed else None,
    )  # fmt: skip
    Round.objects.filter(pk=row.pk).update(created_at=opened)
    heard = {one.clip_id: one for one in Hypothesis.objects.filter(model=model, clip__in=clips)}
    for index, clip in enumerate(clips):
        outcome = "waiting"
        if index < answered * len(clips):
            outcome = "skipped" if index % 17 == 16 else "unintelligible" if index % 23 == 22 else "labelled"
        place = RoundClip.objects.create(
            round=row, clip=clip, hypothesis=heard.get(clip.pk), reason="audit" if index % 10 == 9 else "strategy",
            score=1 - heard[clip.pk].confidence if clip.pk in heard else 0, outcome=outcome,
            why={} if index % 10 == 9 else {"expected_errors": 0.41, "rank": index + 1.0, "over_cap": 0.0},
        )  # fmt: skip
        status = Pass.Status.WAITING if outcome == "waiting" else Pass.Status.DONE
        asked = Pass.objects.create(round=row, round_clip=place, number=1, task_id=index + 1, status=status)
        Clip.objects.filter(pk=clip.pk).update(state="in_round" if outcome == "waiting" else outcome)
        if outcome != "waiting":
            answer(place, asked, rng, when=opened + timedelta(hours=3 + index % 40))
    return row


def answer(place: RoundClip, asked: Pass, rng: random.Random, *, when: Any) -> Annotation:
    """What somebody sent back for a clip, and the reference that follows from it."""
    text = words_of(place.clip) if place.outcome == "labelled" else ""
    name = rng.choice(["mei", "alasdair", "kwok"])
    if text:
        Reference.objects.create(
            clip=place.clip, version=1, text=text, kind=Reference.Kind.ANNOTATOR, author=name
        )
    return Annotation.objects.create(
        round_clip=place, of_pass=asked, annotation_id=asked.task_id or 0, annotator=name, text=text,
        was_skipped=place.outcome == "skipped", hypothesis=place.hypothesis,
        quality=["unintelligible"] if place.outcome == "unintelligible" else [],
        lead_seconds=round(rng.uniform(3, 25), 1), created_at=when, updated_at=when,
    )  # fmt: skip


def snapshot(collection: Collection, purpose: str, clips: list[Clip]) -> Snapshot:
    """A frozen list of `clips` with what is spoken in them."""
    seconds = round(sum(clip.seconds for clip in clips), 1)
    row = Snapshot.objects.create(
        collection=collection, purpose=purpose,
        digest=hashlib.sha256(f"{collection.slug}{purpose}{[clip.pk for clip in clips]}".encode()).hexdigest(),
        counts={"clips": len(clips), "seconds": seconds, "labelled_clips": len(clips), "labelled_seconds": seconds},
    )  # fmt: skip
    for clip in clips:
        SnapshotItem.objects.create(snapshot=row, clip=clip, split=clip.split, text=words_of(clip))
    return row


def evaluation(model: ModelVersion, on: Snapshot, rate: float, dialects: dict[str, float]) -> Evaluation:
    """An error rate with its interval and slices."""
    clips = SnapshotItem.objects.filter(snapshot=on).count()
    by = {
        name: {"error_rate": value, "units": 120, "clips": clips // len(dialects)}
        for name, value in dialects.items()
    }
    languages = {language: by[dialect] for dialect, (language, _texts) in DIALECTS.items()}
    return Evaluation.objects.create(
        model=model, snapshot=on, error_rate=rate, low=rate * 0.82, high=rate * 1.2, clips=clips, seed=20,
        slices={"dialect": by, "language": languages},
    )  # fmt: skip


def job(collection: Collection, kind: str, status: Status, **fields: Any) -> Job:
    """A job of the collection, as its worker left it."""
    begun = timezone.now() - timedelta(minutes=12)
    return Job.objects.create(
        kind=kind, queue="gpu", scope=collection.scope, status=status, attempt=1, started_at=begun,
        finished_at=None if status == Status.RUNNING else begun + timedelta(minutes=7), **fields,
    )  # fmt: skip


def a_training(
    collection: Collection,
    base: ModelVersion,
    made: ModelVersion | None,
    on: Snapshot,
    rng: random.Random,
    share: float,
) -> TrainingJob:
    """A training that has come `share` of the way."""
    total = 420
    status = Status.RUNNING if share < 1 else Status.SUCCEEDED
    row = TrainingJob.objects.create(
        collection=collection, snapshot=on, base=base, recipe="article", seed=7, model=made,
        job=job(collection, "training_jobs.train", status, done=share * total, total=total, note="mixed"),
        phase=TrainingJob.Phase.RUNNING, starts=1, heard_at=timezone.now(),
        resources={"processes": 1, "precision": "float32"},
    )  # fmt: skip
    if share < 1:
        HeldDevice.objects.get_or_create(name=f"gpu-{row.pk}/cuda:0", defaults={"training_job": row})
    lines: list[dict[str, Any]] = []
    for step in range(1, int(share * total) + 1):
        mixed = step > 120
        values = {
            "stage": "mixed" if mixed else "warm-up",
            "loss": 2.4 * math.exp(-step / 90) + rng.uniform(0.05, 0.2),
            "learning_rate": 6e-4 * min(1, step / 21) * (1 - step / total),
            "samples_per_second": rng.gauss(38, 1.5),
        }
        if mixed:
            values |= {
                "pseudo_loss": 1.1 * math.exp(-step / 200) + rng.uniform(0, 0.1),
                "consistency_loss": 0.12,
                "variance_ratio": rng.gauss(1.2, 0.2),
            }
        lines.append({"step": step, **values})
        if step == 120:
            refused = {"refused_score": 150, "refused_loop": 12}
            told = {"accepted": 412, "clips": 600, "mean_score": 0.871, "expected_error": 0.043, **refused}
            lines.append({"step": step, "stage": "pseudo", **told})
        if step == 200:
            lines.append({"step": step, "stage": "mixed", "paused": True, "variance_ratio": 2.31})
        if step % 30 == 0:
            rate = 0.04 + 0.32 * math.exp(-step / 110)
            lines.append({"step": step, "stage": values["stage"], "dev_error_rate": round(rate, 4)})
    TrainingMetric.objects.bulk_create(
        TrainingMetric(
            training_job=row, position=100 * index, step=line["step"], stage=line["stage"],
            values={**line, "steps_total": total, "epoch": line["step"] // 30},
        )
        for index, line in enumerate(lines)
    )  # fmt: skip
    return row


def a_calibration(collection: Collection, model: ModelVersion, *, clips: int = 120) -> Calibration:
    """What was learned from that many audited clips: the surer the model, the oftener it was right."""
    rng = np.random.default_rng(5)
    judged = []
    for index in range(clips):
        sure = float(rng.beta(2, 0.8))
        features = {"mean_logprob": math.log(sure), "mean_probability": min(1.0, sure + 0.1)}
        wrong = int(rng.random() > sure)
        counts = ErrorCounts(wrong, 0, 0, 3)
        judged.append(Audited(Assessed(sure**0.5, features, ()), counts, ("en", "zh", "yue")[index % 3]))
    return Calibration.objects.create(
        collection=collection, model=model, clips=clips, report={**report(judged, 1), "seed": 1, "job": 0},
        parameters=fit(judged, rng).as_json(),
    )  # fmt: skip


def an_import(collection: Collection) -> Import:
    """An import with one file of each outcome."""
    row = Import.objects.create(collection=collection, source="/audio/harbour")
    error = "The file holds no audio. Record it again."
    for outcome, error_id in (("ingested", ""), ("duplicate", ""), ("failed", "corpus:audio:empty")):
        ImportFile.objects.create(
            of=row, path=f"{outcome}.wav", outcome=outcome, error_id=error_id, error=error if error_id else ""
        )
    job(collection, "corpus.ingest", Status.SUCCEEDED, arguments={"import_id": row.pk}, done=3, total=3)
    return row


def an_export(of: Snapshot) -> Export:
    """A written export."""
    export = Export(snapshot=of, format=Export.Format.JSONL)
    export.file.save("export.jsonl", ContentFile(b"{}\n"))
    return export


def grow(world: "World", *, per_speaker: int, first: int) -> None:
    """More of everything that a page lists; rounds are numbered from `first`."""
    rng = random.Random(9)
    for number, (dialect, (language, _texts)) in enumerate(DIALECTS.items(), start=first):
        speaker = Speaker.objects.create(
            collection=world.collection,
            name=f"more-{number}",
            language=language,
            dialect=dialect,
            split=Split.TRAIN,
        )
        clips = Clip.objects.bulk_create(
            Clip(
                collection=world.collection, recording=world.clips[0].recording, speaker=speaker,
                start=100 * number + i, seconds=2.0, language=language, dialect=dialect,
                split=Split.TRAIN, state=Clip.State.HEARD,
            )
            for i in range(per_speaker)
        )  # fmt: skip
        hear(clips, world.models[1], rng, skill=0.7)
        a_round(world.collection, clips, world.models[1], rng, number=number, answered=0.5)
        for clip in Clip.objects.filter(pk__in=[one.pk for one in clips], references=None):
            Reference.objects.create(clip=clip, version=1, text="more", kind=Reference.Kind.IMPORTED)
        job(world.collection, "annotation.sync", Status.SUCCEEDED)
        snapshot(world.collection, Snapshot.Purpose.TRAINING, clips)
        an_import(world.collection)
        made = ModelVersion.objects.create(name=f"more-{number}", source=str(number), parent=world.models[1])
        evaluation(made, world.test_set, 0.1, dict.fromkeys(DIALECTS, 0.1))
        a_training(world.collection, world.models[1], made, world.test_set, rng, 1.0)


def world(
    *, slug: str = "harbour", name: str = "Harbour voices", per_speaker: int = 6, seed: int = 4
) -> World:
    """A collection two rounds and a training old, with another training under way."""
    rng = random.Random(seed)
    collection = Collection.objects.create(
        slug=slug, name=name, description="Short commands and numbers, in four dialects."
    )
    clips = recordings(collection, rng, per_speaker)
    base = ModelVersion.objects.create(name=f"glm-asr-tiny-{slug}-base", source="models/glm-asr-tiny")
    ModelVersion.objects.filter(pk=base.pk).update(created_at=timezone.now() - timedelta(days=20))
    better = ModelVersion.objects.create(
        name=f"{slug}-1-3f2a9c01d4e7",
        source="var/models/1",
        parent=base,
        lineage={"recipe": "article", "seed": 7},
    )
    hear(clips, base, rng, skill=0.55)
    hear(clips, better, rng, skill=0.86)
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=better)
    follow_champion(collection)
    train = [clip for clip in clips if clip.split == Split.TRAIN]
    rng.shuffle(train)
    fifth = max(2, len(train) // 5)
    rounds = [
        a_round(collection, train[:fifth], base, rng, number=1, answered=1),
        a_round(collection, train[fifth : 2 * fifth], better, rng, number=2, answered=0.6),
    ]
    test_clips = [clip for clip in clips if clip.split == Split.TEST]
    for clip in test_clips:
        Reference.objects.create(clip=clip, version=1, text=words_of(clip), kind=Reference.Kind.IMPORTED)
    test_set = snapshot(collection, Snapshot.Purpose.TEST, test_clips)
    learned = snapshot(collection, Snapshot.Purpose.TRAINING, train[:fifth])
    rates = {"american": 0.021, "scottish": 0.28, "mandarin": 0.018, "cantonese": 0.44}
    evaluation(base, test_set, 0.19, rates)
    evaluation(better, test_set, 0.072, {**rates, "scottish": 0.09, "cantonese": 0.15})
    training = a_training(collection, base, better, learned, rng, 1.0)
    running = a_training(collection, better, None, learned, rng, 0.55)
    error = "Clip 7 lasts 31.2 s; a model hears at most 30 s. Cut the recording again."
    failed = job(
        collection, "recognition.transcribe", Status.FAILED, error_id="speech:clip:too_long", error=error,
        traceback="Traceback (most recent call last): …",
    )  # fmt: skip
    return World(
        collection, members(collection), clips, [base, better], rounds, training, running, test_set, failed
    )
