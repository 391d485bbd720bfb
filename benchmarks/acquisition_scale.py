"""How long choosing a round's clips takes, from ten thousand to a million: `python -m benchmarks.acquisition_scale`."""

import time
from collections.abc import Mapping
from dataclasses import replace
from statistics import median

import numpy as np

from annotation import acquisition
from annotation.acquisition import STRATEGIES, Answered, KeptVectors, Pool, choose
from benchmarks.made_corpus import make
from benchmarks.reporting import Figure, Report, arguments, publish
from benchmarks.stack import platform

SEED = 5
SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)
STORED, QUICK_STORED = 100_000, 10_000
RUNS = 3
DIRECTIONS = 128
BUDGET_SECONDS = 3_600.0
ANSWERED = 2_000
CLOUDS = 60

PAGE = """
`annotation.acquisition.choose` with each strategy from pools of three sizes: an hour of audio, some {picks} clips of
three seconds, 10 % of it drawn at random, {answered:,} clips answered before. The pools are synthetic arrays in memory:
{directions}-dimensional float16 embeddings in {clouds} clouds, 3,000 speakers, 3 languages. Seconds, medians of {runs}
runs.

- `seconds`: by strategy and clips in the pool; `earmark_1m` (goal: under 3 s) is the default's on the largest pool.
- `read_seconds`: what PostgreSQL costs before, of {stored:,} clips: `pool` reads what every strategy needs, row by row
  through Django; `shortlist` is what reading embeddings adds for the {close:,} clips that earmark looks at closely.
  No strategy reads the embeddings of the whole pool, so none are kept in a file beside the database.

k_centre, k_means and typiclust look at 20,000 clips drawn at random where there are more.
"""


def main() -> None:
    quick = arguments(__doc__ or "").quick
    sizes = QUICK_SIZES if quick else SIZES
    names = [path.rpartition(".")[2] for path in STRATEGIES]
    times: dict[str, dict[str, float]] = {name: {} for name in names}
    picks = 0
    for size in sizes:
        pool = a_pool(size)
        for name in names:
            seconds, picks = _timed(pool, name)
            times[name][f"{size:,}"] = seconds
            print(f"{name} {size:,}: {seconds:.2f} s", flush=True)
    stored = QUICK_STORED if quick else STORED
    reading, close = reading_seconds(stored)
    figures: dict[str, Figure] = {
        "earmark_1m": times["earmark"].get("1,000,000"),
        "seconds": {name: _shown(by_size) for name, by_size in times.items()},
        "read_seconds": reading,
    }
    page = PAGE.format(
        picks=picks,
        answered=ANSWERED,
        directions=DIRECTIONS,
        clouds=CLOUDS,
        runs=RUNS,
        stored=stored,
        close=close,
    )
    publish(Report("acquisition_scale", figures, seeds=(SEED,), page=page), quick=quick)


def a_pool(clips: int) -> Pool:
    """`clips` of three seconds and more in CLOUDS; one in four is doubtful, by cloud."""
    rng = np.random.default_rng(SEED)
    centres = rng.standard_normal((CLOUDS, DIRECTIONS)).astype(np.float32)
    cloud = rng.integers(0, CLOUDS, clips)
    rows = np.empty((clips, DIRECTIONS), np.float16)
    for start in range(0, clips, 100_000):
        some = cloud[start : start + 100_000]
        rows[start : start + 100_000] = centres[some] + 0.7 * rng.standard_normal(
            (len(some), DIRECTIONS), np.float32
        )
    doubtful = cloud % 4 == 0
    return Pool(
        seconds=np.clip(rng.lognormal(1.0, 0.5, clips), 0.5, 30.0),
        confidence=np.clip(np.where(doubtful, 0.3, 0.93) + 0.15 * rng.standard_normal(clips), 0, 1),
        characters=rng.integers(1, 80, clips),
        language=cloud % 3,
        speaker=rng.integers(-1, 3_000, clips),
        flags={"silence": rng.random(clips) < 0.01, "loop": rng.random(clips) < 0.01},
        features={
            "mean_entropy": rng.exponential(0.3, clips),
            "min_word_logprob": -rng.exponential(1.0, clips),
        },
        embeddings=KeptVectors(rows),
        answered=Answered(rows[:ANSWERED].astype(np.float32), rng.random(ANSWERED) < 0.05),
    )


def _timed(pool: Pool, name: str) -> tuple[float, int]:
    taken, picks = list[float](), 0
    for run in range(RUNS):
        began = time.perf_counter()
        found = choose(
            pool,
            strategy=getattr(acquisition, name),
            budget_seconds=BUDGET_SECONDS,
            audit_share=0.1,
            seed=run,
        )
        taken.append(time.perf_counter() - began)
        picks = len(found)
    return median(taken), picks


def reading_seconds(clips: int) -> tuple[dict[str, float], int]:
    """Seconds to read a pool of `clips` from PostgreSQL, and the embeddings of those earmark looks at closely; how many
    these are.
    """
    with platform(durable=False):
        from annotation.pool import read_pool
        from earmark.corpus.models import Collection
        from earmark.recognition.models import ModelVersion

        made = make(clips, seed=SEED)
        _embed(np.random.default_rng(SEED))
        collection = Collection.objects.get(pk=made.collection)
        model = ModelVersion.objects.get(pk=made.champion)
        began = time.perf_counter()
        eligible = read_pool(collection, model, {"embeddings"})
        read = time.perf_counter() - began
        looked = 0.0
        asked = list[int]()
        stored = eligible.pool.embeddings

        def counted(index: np.ndarray) -> np.ndarray:
            nonlocal looked
            start = time.perf_counter()
            assert stored is not None
            vectors = stored(index)
            looked += time.perf_counter() - start
            asked.append(len(index))
            return vectors

        choose(
            replace(eligible.pool, embeddings=counted),
            strategy=acquisition.earmark,
            budget_seconds=BUDGET_SECONDS,
            audit_share=0.1,
            seed=1,
        )
    return {"pool": read, "shortlist": looked}, sum(asked)


def _embed(rng: np.random.Generator) -> None:
    """Give every hypothesis an embedding, one of a thousand."""
    from django.db import connection

    rows = rng.standard_normal((1_000, DIRECTIONS)).astype("<f2")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE made (id int, embedding bytea)")
        with cursor.copy("COPY made FROM STDIN") as copy:
            for number, row in enumerate(rows):
                copy.write_row((number, row.tobytes()))
        cursor.execute(
            "UPDATE recognition_hypothesisdetails SET embedding = made.embedding"
            " FROM made WHERE made.id = hypothesis_id % 1000"
        )


def _shown(by_size: Mapping[str, float]) -> str:
    return ", ".join(f"{size} {seconds:.2f}" for size, seconds in by_size.items())


if __name__ == "__main__":
    main()
