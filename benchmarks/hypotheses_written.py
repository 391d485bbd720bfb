"""What writing down a run's hypotheses costs: `python -m benchmarks.hypotheses_written [--quick]`.

First the writer alone: so many hypotheses, with tokens, words, features and embeddings, into a corpus of so many
clips. Then a real run: the demo model hears demo speech through the same writer. Real PostgreSQL, durable, with the
embedded settings.
"""

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.made_corpus import make
from benchmarks.reporting import Report, arguments, publish
from benchmarks.stack import platform

SEED = 7
SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (1_000, 10_000)
REPEATS = {1_000: 5, 10_000: 2}
"""A small corpus is written several times over, anew each time, and the median taken: one time would be noise."""
BATCH = 16
"""What a batch of 60 s of trimmed demo clips holds."""
WIDTH, WIDE = 128, 1_280
RUN_CLIPS, QUICK_RUN_CLIPS = 2_000, 200
PART = 250
SAID = "turn the lights off call seven two nine four please set a timer for ten minutes 打开 客厅 的 灯"
WORDS = SAID.split()

PAGE = """
Milliseconds per clip of writing hypotheses by the writer a run uses, into a corpus of 1,000, 10,000 and 100,000 clips
that nobody had heard: COPY into a table of the transaction's own, then hypotheses, details, state, the champion's
confidence and flags on the clips, {indexes} indexes on the clips and the triggers that keep the tallies, all in one
transaction. A hypothesis has {tokens:.0f} tokens and {words:.0f} words with their numbers, its features and an
embedding of {width} float16 ({wide} for `ms_per_clip_wide`, at {wide_at:,} clips). Batches of {batch} clips come as
fast as they are taken; the writer writes all that waits in one transaction. Time is the writer's own: making rows,
COPY, statements, commit with a durable disk.

`flatness` is the cost at the largest size over that at 1,000.

`run_ms_per_clip` is the wall time per clip of a real run of the demo model on {run_clips:,} clips of demo speech
({run_seconds:.1f} s each on average), by `hear_clips` on this machine's CPU, reading, hearing, writing and all.
**`share_of_run`** is what writing costs at the largest size over that. The demo model has 2.3 million parameters: it is
the fastest run there is, so the share of any larger model is smaller. `added_share` is how much longer the run took
than one whose writer throws everything away, in turns of {part} clips: what is left of the cost when it overlaps with
the model. `written_per_second` is how many hypotheses one writer writes in a second when it does nothing else: a model
that hears 3,000 seconds of audio a second hears 300 clips of 10 s. `run_assessing_ms_per_clip` is what finding out how
far to trust a clip costs, in a thread of its own beside the model; it is no part of writing.
"""


def main() -> None:
    quick = arguments(__doc__ or "").quick
    sizes = QUICK_SIZES if quick else SIZES
    with platform() as folder:
        costs = {
            size: statistics.median([_written(size, WIDTH) for _ in range(REPEATS.get(size, 1))])
            for size in sizes
        }
        wide_at = sizes[-2]
        wide = _written(wide_at, WIDE)
        planned = _planned()
        run = _run(folder, QUICK_RUN_CLIPS if quick else RUN_CLIPS)
        publish(_report(costs, wide, wide_at, planned, run), quick=quick)


def _written(clips: int, width: int) -> float:
    """Seconds per clip of writing the champion's hypotheses of a new corpus of so many clips."""
    from django.core.management import call_command

    from earmark.corpus.models import Clip
    from earmark.recognition import writing
    from earmark.recognition.models import Hypothesis, HypothesisDetails, ModelVersion

    call_command("flush", interactive=False, verbosity=0)
    made = make(clips, seed=SEED, is_heard=False)
    model = ModelVersion.objects.get(pk=made.champion)
    trusted = _trusted(width)
    with (
        patch.object(writing, "clip_confidence", lambda *_heard, **_clip: next(trusted)),
        writing.Writer() as writer,
    ):
        for batch in _batches(clips, width):
            writer.put(model, batch)
    told = writer.written
    ready = (
        Clip.objects.filter(state="heard").exclude(confidence=None).count(),
        Hypothesis.objects.filter(model=model).count(),
        HypothesisDetails.objects.count(),
    )
    if ready != (clips, clips, clips):
        raise AssertionError(f"of {clips} clips, written are {ready}")
    print(f"{clips:,} clips, {width} wide: {1000 * told.writing / clips:.3f} ms a clip", flush=True)
    return told.writing / clips


def _trusted(width: int) -> Iterator[Any]:
    """Trust as it is found in speech-like noise, over and over: what finding it costs is not what writing costs."""
    from earmark.speech.confidence import clip_confidence

    rng, noise = random.Random(SEED), np.random.default_rng(SEED)
    waveforms = [noise.normal(0, 0.05, 3 * 16_000).astype(np.float32) for _ in range(50)]
    return cycle([clip_confidence(_heard(rng, width), 3.0, waveform) for waveform in waveforms])


def _batches(clips: int, width: int) -> Iterator[list[Any]]:
    """What a model of that width heard in the clips, in the order of their lengths within a window, as in a run."""
    from earmark.corpus.models import Clip
    from earmark.recognition.reading import Sounding

    rng, silence = random.Random(SEED), np.zeros(0, dtype=np.float32)
    said = [_heard(rng, width) for _ in range(300)]
    window: list[Clip] = []
    for clip in [*Clip.objects.order_by("pk").iterator(chunk_size=2_000), None]:
        if clip is not None:
            window.append(clip)
        if clip is None or len(window) == 512:
            window.sort(key=lambda one: -one.seconds)
            for at in range(0, len(window), BATCH):
                yield [(Sounding(one, silence), rng.choice(said)) for one in window[at : at + BATCH]]
            window = []


def _heard(rng: random.Random, width: int) -> Any:
    from earmark.speech.engine import Heard, TokenScore, Word

    words = [rng.choice(WORDS) for _ in range(rng.randint(4, 16))]
    tokens = [
        TokenScore(rng.randrange(59_000), piece, -rng.expovariate(8), rng.random())
        for word in words
        for piece in (f" {word[: len(word) // 2]}", word[len(word) // 2 :])
    ]
    times = [Word(word, 0.4 * at, 0.4 * at + 0.3, rng.random()) for at, word in enumerate(words)]
    embedding = np.random.default_rng(rng.randrange(2**32)).normal(size=width).astype(np.float32)
    return Heard(
        " ".join(words),
        tuple(tokens),
        truncated=False,
        words=tuple(times),
        alignment=-0.3,
        embedding=embedding,
    )


def _planned() -> float:
    """Seconds that it takes to cut the corpus at hand into shards for a model that has heard none of it."""
    from earmark.corpus.models import Collection
    from earmark.jobs.models import Job
    from earmark.recognition.models import ModelVersion
    from earmark.recognition.planning import plan
    from earmark.recognition.run_models import TranscriptionRun

    run = TranscriptionRun.objects.create(
        collection=Collection.objects.get(),
        model=ModelVersion.objects.latest("pk"),
        only="all",
        queue="gpu",
        job=Job.objects.create(kind="recognition.transcribe", queue="cpu", status="cancelled"),
    )
    began = time.perf_counter()
    plan(run)
    return time.perf_counter() - began


@dataclass(frozen=True)
class Run:
    """A real run: wall seconds with and without writing, and what its writer says of itself."""

    clips: int
    audio_seconds: float
    wall: float
    wall_without: float
    writing: float
    assessing: float


def _run(folder: Path, clips: int) -> Run:
    """The demo model hears demo speech, part by part: written, and by a twin of it thrown away."""
    from django.core.management import call_command

    from earmark.corpus.models import Clip
    from earmark.recognition import transcription, writing
    from earmark.recognition.models import ModelVersion
    from earmark.recognition.registry import champion, engine_for

    call_command("flush", interactive=False, verbosity=0)
    collection = _demo_corpus(folder, clips)
    model = champion(collection)
    twin = ModelVersion.objects.create(name="twin", source=model.source, engine=model.engine)
    ids = list(Clip.objects.order_by("pk").values_list("pk", flat=True)[:clips])
    _hear(twin, ids[:8])
    engine_for(model)
    walls = {"with": 0.0, "without": 0.0}
    wrote = assessing = 0.0
    for at in range(0, len(ids), PART):
        part = ids[at : at + PART]
        ways = ("with", "without") if at // PART % 2 else ("without", "with")
        for way in ways:
            writer = writing.Writer if way == "with" else _throwing_away()
            with patch.object(transcription, "Writer", writer):
                began = time.perf_counter()
                tally = _hear(model if way == "with" else twin, part)
                walls[way] += time.perf_counter() - began
            if way == "with":
                wrote, assessing = wrote + tally.written.writing, assessing + tally.written.assessing
    seconds = sum(Clip.objects.filter(pk__in=ids).values_list("seconds", flat=True))
    return Run(len(ids), seconds, walls["with"], walls["without"], wrote, assessing)


def _hear(model: Any, ids: Sequence[int]) -> Any:
    from earmark.corpus.models import Clip
    from earmark.recognition.transcription import hear_clips

    return hear_clips(_Silent(), clips=Clip.objects.filter(pk__in=ids), model=model)


def _throwing_away() -> type:
    """A writer with nothing behind it."""
    from earmark.recognition.writing import Writer

    class Gone(Writer):
        def put(self, *_batch: Any) -> None:
            """Nothing is kept."""

    return Gone


@dataclass
class _Silent:
    """A job's context that nobody watches."""

    job_id: int = 0
    attempt: int = 1

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Nobody asks."""

    def check(self) -> None:
        """Nobody stops it."""


def _demo_corpus(folder: Path, clips: int) -> Any:
    from earmark.corpus.ingest import submit_ingest
    from earmark.corpus.services import create_collection
    from earmark.demo.speech_folder import Plan, write_speech_folder
    from earmark.jobs.running import run

    each = -(-clips // 20)
    plan = Plan(
        train_speakers=4,
        dev_speakers=0,
        test_speakers=0,
        train_utterances=each,
        dev_utterances=0,
        test_utterances=0,
    )
    speech = folder / "speech"
    write_speech_folder(speech, seed=SEED, plan=plan)
    collection = create_collection(slug="demo", name="Demo", by=None)
    _, job = submit_ingest(collection=collection, source=speech, manifest=speech / "manifest.csv")
    run(job.pk)
    return collection


def _report(costs: dict[int, float], wide: float, wide_at: int, planned: float, run: Run) -> Report:
    from earmark.corpus.models import Clip

    largest = max(costs)
    per_clip = run.wall / run.clips
    audio = run.audio_seconds / run.clips
    figures: dict[str, Any] = {"share_of_run": costs[largest] / per_clip}
    for size, cost in costs.items():
        figures[f"ms_per_clip_{size // 1000}k"] = 1000 * cost
    figures |= {
        "flatness": costs[largest] / costs[min(costs)],
        "ms_per_clip_wide": 1000 * wide,
        "run_ms_per_clip": 1000 * per_clip,
        "run_writing_ms_per_clip": 1000 * run.writing / run.clips,
        "run_assessing_ms_per_clip": 1000 * run.assessing / run.clips,
        "added_share": (run.wall - run.wall_without) / run.wall,
        "written_per_second": 1 / costs[largest],
        "plan_ms_per_1k_clips": 1000 * planned / (wide_at / 1_000),
    }
    rng = random.Random(SEED)
    said = [_heard(rng, WIDTH) for _ in range(300)]
    page = PAGE.format(
        indexes=len(Clip._meta.indexes) + 4, tokens=np.mean([len(one.tokens) for one in said]),
        words=np.mean([len(one.words) for one in said]), width=WIDTH, wide=WIDE, wide_at=wide_at, batch=BATCH,
        run_clips=run.clips, run_seconds=audio, part=PART,
    )  # fmt: skip
    baseline = {"run_ms_per_clip": 1000 * run.wall_without / run.clips}
    return Report("hypotheses_written", figures, baseline, seeds=(SEED,), page=page)


if __name__ == "__main__":
    main()
