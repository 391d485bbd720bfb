"""A corpus of rows alone, as large as asked for, that looks like one somebody has worked on for a year.

Four languages, 12 dialects, 3,000 speakers of whom few speak much, five clips to a recording, a champion that has
heard everything and a second model that has heard half, references for one clip in twenty. Quality goes with the
speaker and confidence with the dialect and the noise, so that filters and orders are not independent.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

DIALECTS = (
    *(("en", name) for name in ("american", "scottish", "irish", "indian")),
    *(("zh", name) for name in ("mandarin", "sichuan", "dongbei")),
    *(("yue", name) for name in ("cantonese", "toishan")),
    *(("es", name) for name in ("castilian", "mexican", "rioplatense")),
)
SHARES = np.array([0.22, 0.05, 0.03, 0.1, 0.2, 0.06, 0.04, 0.1, 0.01, 0.08, 0.08, 0.03])
SPEAKERS = 3_000
CLIPS_A_RECORDING = 5
IMPORTS = 24
ROUNDS = 40
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEXTS = 300


@dataclass(frozen=True)
class Made:
    """The ids by which a benchmark finds its way."""

    slug: str
    collection: int
    champion: int
    clips: int
    recordings: int
    speakers: tuple[str, ...]
    imports: tuple[int, ...]


def make(clips: int, *, seed: int, is_heard: bool = True) -> Made:
    """Fill the empty tables; returns what was made. Unless it `is_heard`, no model has heard a clip yet."""
    from django.db import connection

    from earmark.corpus import tallies

    rng = np.random.default_rng(seed)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE corpus_clip DISABLE TRIGGER USER")
        made = _rows(clips, rng, is_heard)
        cursor.execute("ALTER TABLE corpus_clip ENABLE TRIGGER USER")
        tallies.recount()
        _restart_sequences(cursor)
        connection.commit()
        cursor.execute("VACUUM ANALYZE")
    return made


def copy(model: Any, /, **columns: Iterable[Any]) -> None:
    """Write rows of `model` by COPY; a column is named as the field is."""
    from django.db import connection

    names = [model._meta.get_field(name).column for name in columns]
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {model._meta.db_table} ({', '.join(names)}) FROM STDIN") as rows,
    ):
        for row in zip(*columns.values(), strict=True):
            rows.write_row(row)


def _rows(clips: int, rng: np.random.Generator, is_heard: bool) -> Made:
    from earmark.corpus.models import Clip, Collection
    from earmark.recognition.models import Alias, ModelVersion

    collection = Collection.objects.create(slug="scale", name="Scale")
    models = [ModelVersion.objects.create(name=f"model-{n}", source=f"var/models/{n}") for n in range(6)]
    Alias.objects.create(collection=collection, name=Alias.Name.CHAMPION, model=models[-1])
    recordings = clips // CLIPS_A_RECORDING
    home, narrow, noise, split = _speakers(collection.pk, rng)
    weights = 1 / np.arange(1, SPEAKERS + 1) ** 0.8
    voice = rng.choice(SPEAKERS, size=recordings, p=rng.permutation(weights / weights.sum()))
    imports = _recordings(collection.pk, voice, home, rng)
    columns = _clips(np.repeat(voice, CLIPS_A_RECORDING), home, narrow, noise, split, rng)
    if not is_heard:
        columns |= {"state": ["new"] * clips, "confidence": [None] * clips, "flags": [""] * clips}
    copy(Clip, collection=[collection.pk] * clips, created_at=[NOW] * clips, **columns)
    if is_heard:
        _hypotheses(columns, models[-1].pk, models[0].pk, rng)
        _labels(collection, models, columns, rng)
    names = tuple(f"{DIALECTS[home[n]][1]}-{n:04d}" for n in range(SPEAKERS))
    return Made("scale", collection.pk, models[-1].pk, clips, recordings, names, imports)


def _speakers(collection: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    from earmark.corpus.models import Speaker

    home = rng.choice(len(DIALECTS), size=SPEAKERS, p=SHARES)
    split = rng.choice(["train", "dev", "test"], size=SPEAKERS, p=[0.8, 0.1, 0.1])
    copy(
        Speaker,
        id=range(1, SPEAKERS + 1),
        collection=[collection] * SPEAKERS,
        name=[f"{DIALECTS[home[n]][1]}-{n:04d}" for n in range(SPEAKERS)],
        language=[DIALECTS[n][0] for n in home],
        dialect=[DIALECTS[n][1] for n in home],
        split=split.tolist(),
    )
    return home, rng.random(SPEAKERS) < 0.15, rng.normal(19, 6, SPEAKERS), split


def _recordings(
    collection: int, voice: np.ndarray, home: np.ndarray, rng: np.random.Generator
) -> tuple[int, ...]:
    from earmark.corpus.models import Import, ImportFile, Recording

    count = len(voice)
    ids = range(1, count + 1)
    when = [NOW - timedelta(days=300 * (1 - n / count)) for n in range(count)]
    copy(
        Recording,
        id=ids,
        collection=[collection] * count,
        sha256=[f"{n:064x}" for n in ids],
        name=[f"calls/{n // 500:04d}/{n:07d}.flac" for n in ids],
        file=[f"recordings/{n:07d}.flac" for n in ids],
        bytes=rng.integers(10**5, 10**7, count).tolist(),
        seconds=rng.uniform(20, 120, count).round(3).tolist(),
        rate=[16_000] * count,
        channels=[1] * count,
        format=["FLAC"] * count,
        speaker=(voice + 1).tolist(),
        language=[DIALECTS[home[n]][0] for n in voice],
        dialect=[DIALECTS[home[n]][1] for n in voice],
        licence=[""] * count,
        created_at=when,
    )
    copy(
        Import,
        id=range(1, IMPORTS + 1),
        collection=[collection] * IMPORTS,
        source=[f"/audio/{n}" for n in range(IMPORTS)],
        options=["{}"] * IMPORTS,
        left_aside=["{}"] * IMPORTS,
        created_at=[NOW] * IMPORTS,
    )
    ends = np.sort(rng.choice(count, IMPORTS - 1, replace=False))
    brought = np.searchsorted(ends, np.arange(count), side="right") + 1
    copy(
        ImportFile,
        id=ids,
        of=brought.tolist(),
        path=[f"{n:07d}.flac" for n in ids],
        outcome=["ingested"] * count,
        error_id=[""] * count,
        error=[""] * count,
        recording=ids,
    )
    return tuple(range(1, IMPORTS + 1))


def _clips(
    voice: np.ndarray,
    home: np.ndarray,
    narrow: np.ndarray,
    noise: np.ndarray,
    split: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, list[Any]]:
    count = len(voice)
    snr = (noise[voice] + rng.normal(0, 4, count)).round(2)
    silent = rng.random(count) < 0.01
    loudness = rng.normal(-24, 5, count).round(2)
    bandwidth = np.where(narrow[voice], rng.normal(3_500, 120, count), rng.normal(7_700, 200, count)).round()
    unfit = np.full(count, "", dtype=object)
    unfit[rng.random(count) < 0.004] = "duplicate"
    unfit[loudness < -38] = "quiet"
    unfit[snr < 5] = "noisy"
    unfit[bandwidth < 3_300] = "narrow"
    unfit[silent] = "silent"
    fit = (unfit == "") | (rng.random(count) < 0.03)
    known = np.isin(home[voice], (0, 4, 7, 9))
    confidence = np.clip(rng.normal(0.72 + 0.15 * known + 0.004 * (snr - 19), 0.12), 0.01, 0.999).round(4)
    flags = np.full(count, "", dtype=object)
    for name, share in (("odd_rate", 0.012), ("silence", 0.01), ("truncated", 0.006), ("loop", 0.012)):
        flags[rng.random(count) < share] = name
    states = ["heard", "labelled", "in_round", "skipped", "unintelligible"]
    state = rng.choice(states, size=count, p=[0.942, 0.05, 0.001, 0.004, 0.003])
    columns: dict[str, list[Any]] = {
        "id": list(range(1, count + 1)),
        "recording": (np.arange(count) // CLIPS_A_RECORDING + 1).tolist(),
        "speaker": (voice + 1).tolist(),
        "start": (6.0 * (np.arange(count) % CLIPS_A_RECORDING)).tolist(),
        "seconds": np.clip(rng.lognormal(1.5, 0.6, count), 1, 30).round(2).tolist(),
        "language": [DIALECTS[n][0] for n in home[voice]],
        "dialect": [DIALECTS[n][1] for n in home[voice]],
        "split": split[voice].tolist(),
        "state": state.tolist(),
        "is_current": (rng.random(count) < 0.93).tolist(),
        "is_fit": fit.tolist(),
        "unfit": unfit.tolist(),
        "snr_db": [None if lost else value for lost, value in zip(silent, snr.tolist(), strict=True)],
        "loudness_lufs": loudness.tolist(),
        "bandwidth_hz": bandwidth.tolist(),
        "speech_seconds": [2.0] * count,
        "silence_share": rng.random(count).round(3).tolist(),
        "clipped_share": [0.0] * count,
        "confidence": confidence.tolist(),
        "flags": flags.tolist(),
    }
    return columns


def _hypotheses(columns: dict[str, list[Any]], champion: int, other: int, rng: np.random.Generator) -> None:
    from earmark.recognition.models import Hypothesis, HypothesisDetails

    spoken = _spoken(rng)
    clips = columns["id"]
    heard = [(clip, champion) for clip in clips] + [(clip, other) for clip in clips[::2]]
    texts = [spoken[n] for n in rng.integers(0, TEXTS, len(heard)).tolist()]
    flags = [f"{{{flag}}}" for flag in columns["flags"]] + ["{}"] * len(clips[::2])
    copy(
        Hypothesis,
        id=range(1, len(heard) + 1),
        clip=[clip for clip, _model in heard],
        model=[model for _clip, model in heard],
        text=[text for text, _tokens in texts],
        confidence=columns["confidence"] + rng.random(len(clips[::2])).round(4).tolist(),
        features=["{}"] * len(heard),
        flags=flags,
        created_at=[NOW] * len(heard),
    )
    copy(
        HypothesisDetails,
        hypothesis=range(1, len(heard) + 1),
        tokens=[tokens for _text, tokens in texts],
        words=["[]"] * len(heard),
    )


def _spoken(rng: np.random.Generator) -> list[tuple[str, str]]:
    """Texts with their tokens as JSON."""
    words = [
        "turn",
        "the",
        "lights",
        "off",
        "call",
        "seven",
        "two",
        "nine",
        "four",
        "please",
        "打开",
        "客厅",
        "的",
        "灯",
    ]
    made = []
    for _text in range(TEXTS):
        pieces = [f"{words[n]} " for n in rng.integers(0, len(words), rng.integers(4, 16))]
        tokens = [[piece, round(-float(rng.exponential(0.2)), 4), 0.2] for piece in pieces]
        made.append(("".join(pieces).strip(), json.dumps(tokens)))
    return made


def _labels(
    collection: Any, models: Sequence[Any], columns: dict[str, list[Any]], rng: np.random.Generator
) -> None:
    """References, two fifths of them by people in rounds, and evaluations of every model."""
    from earmark.corpus.models import Reference

    labelled = [pk for pk, state in zip(columns["id"], columns["state"], strict=True) if state == "labelled"]
    by_people = (rng.random(len(labelled)) < 0.4).tolist()
    days = rng.uniform(1, 300, len(labelled)).tolist()
    when = [NOW - timedelta(days=day) for day in days]
    copy(
        Reference,
        id=range(1, len(labelled) + 1),
        clip=labelled,
        version=[1] * len(labelled),
        text=["turn the lights off please"] * len(labelled),
        kind=["annotator" if people else "imported" for people in by_people],
        author=["mei" if people else "" for people in by_people],
        is_current=[True] * len(labelled),
        created_at=when,
    )
    asked = [(pk, moment) for pk, moment, people in zip(labelled, when, by_people, strict=True) if people]
    _rounds(collection, models[-1], asked)
    _evaluations(collection, models)


def _rounds(collection: Any, model: Any, asked: Sequence[tuple[int, datetime]]) -> None:
    """Closed rounds of the clips in `asked`, each with the moment somebody answered."""
    from annotation.models import Annotation, Round, RoundClip

    rounds = [
        Round.objects.create(
            collection=collection, number=number + 1, strategy="annotation.acquisition.least_confidence",
            status="closed", budget_seconds=1800, audit_share=0.1, seed=number, model=model,
            closed_at=NOW - timedelta(days=300 - 7 * number),
        )
        for number in range(ROUNDS)
    ]  # fmt: skip
    ids = range(1, len(asked) + 1)
    copy(
        RoundClip,
        id=ids,
        round=[rounds[n * ROUNDS // max(1, len(asked))].pk for n in range(len(asked))],
        clip=[clip for clip, _moment in asked],
        reason=["strategy"] * len(asked),
        score=[0.5] * len(asked),
        why=["{}"] * len(asked),
        wanted=[1] * len(asked),
        task_id=ids,
        outcome=["labelled"] * len(asked),
    )
    people = ["mei", "alasdair", "kwok", "rosa", "priya"]
    copy(
        Annotation,
        id=ids,
        round_clip=ids,
        annotation_id=ids,
        annotator=[people[n % len(people)] for n in ids],
        text=["turn the lights off please"] * len(asked),
        was_skipped=[False] * len(asked),
        quality=["{}"] * len(asked),
        is_blind=[False] * len(asked),
        slips=["[]"] * len(asked),
        created_at=[moment for _clip, moment in asked],
        updated_at=[moment for _clip, moment in asked],
    )


def _evaluations(collection: Any, models: Sequence[Any]) -> None:
    from earmark.datasets.models import Snapshot
    from training_jobs.models import Evaluation

    test_set = Snapshot.objects.create(
        collection=collection, purpose=Snapshot.Purpose.TEST, digest="0" * 64, counts={}
    )
    slices = {"dialect": {name: {"error_rate": 0.1, "units": 100, "clips": 50} for _, name in DIALECTS}}
    for number, model in enumerate(models):
        rate = 0.3 - 0.04 * number
        Evaluation.objects.create(
            model=model, snapshot=test_set, error_rate=rate, low=rate * 0.9, high=rate * 1.1, clips=600, seed=1,
            slices=slices,
        )  # fmt: skip


def _restart_sequences(cursor: Any) -> None:
    """Rows were given their ids: those that follow get later ones."""
    from annotation.models import Annotation, RoundClip
    from earmark.corpus.models import Clip, Import, ImportFile, Recording, Reference, Speaker
    from earmark.recognition.models import Hypothesis

    for model in (Annotation, RoundClip, Clip, Import, ImportFile, Recording, Reference, Speaker, Hypothesis):
        table = model._meta.db_table
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT coalesce(max(id), 1) FROM {table}))"
        )
