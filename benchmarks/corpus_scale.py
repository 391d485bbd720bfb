"""How the pages that look at a corpus cope with a million clips: `python -m benchmarks.corpus_scale [--quick]`.

Rows are made by COPY (see `made_corpus`), in a database of 10,000 clips and then in one of a million (with `--quick`:
100,000). On both the same seeded sample of pages is asked for through the real views with Django's test client, one
after another on one core: the clips table under random filters, orders and depths, the worst among them, and the
corpus page, home and progress.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.made_corpus import DIALECTS, Made, make
from benchmarks.reporting import Report, arguments, percentile, publish
from benchmarks.stack import platform

SEED = 20
TABLE_PAGES = 400
OTHER_PAGES = 25
WRITES = 7
STOPPED = b"Search on"
"""What the button to the next page says where a search stopped before the page was full."""
SMALL, LARGE, MIDDLE = 10_000, 1_000_000, 100_000
MEASURES = {
    "confidence": ("low", "high", 0.0, 1.0),
    "seconds": ("seconds_low", "seconds_high", 1.0, 30.0),
    "snr_db": ("snr_low", "snr_high", 0.0, 40.0),
    "loudness_lufs": ("loudness_low", "loudness_high", -40.0, -10.0),
    "bandwidth_hz": ("bandwidth_low", "bandwidth_high", 3_000.0, 8_000.0),
}

PAGE = """
Server time of whole pages (query, view, template, middleware) with {large:,} clips in PostgreSQL against {small:,}, in
milliseconds, by the embedded PostgreSQL with its own settings: {table} pages of the clips table and {other} each of
the corpus page, its recordings, home, progress, the progress page's histogram and the offering of speakers; one
request at a time.

The clips: 4 languages, 12 dialects, 3,000 speakers whose shares fall off as 1/rank^0.8, {recordings:,} recordings, a
champion's hypotheses of all clips and another model's of half, references for one in twenty; {facets:,} combinations
of all that counts. Quality goes with the speaker and confidence with dialect and noise, so that filters and orders
are not independent.

A page of the table draws up to five filters (language, dialect, split, state, fitness, flag, generation, speaker,
recording, import, ranges of five measures of any width) and one of 16 orders; three of five begin somewhere deep in
the order, some are read backwards. `worst` says which page took longest. `partial_share` is the share of pages that
came back less than full, with a way on, because the search had looked at 10,000 clips: that, and not a query that
grows, is what the rarest combinations of ranges cost.

`write_*` is what the counting costs writers: 2,000 clips by `bulk_create`, and a change of state of 200, with the
triggers and (baseline) without, medians of {writes} on the large database.
"""


@dataclass(frozen=True)
class Asked:
    """One page: its kind, where it is and what is asked of it."""

    kind: str
    name: str
    query: Mapping[str, Any]


def main() -> None:
    quick = arguments(__doc__ or "").quick
    large = MIDDLE if quick else LARGE
    with platform(durable=False):
        small_times, _partial, _worst = _measure(SMALL)
        large_times, partial, worst = _measure(large)
        writes = {name: _writing(with_triggers=name == "with") for name in ("with", "without")}
        publish(_report(small_times, large_times, partial, worst, writes, large), quick=quick)


def _measure(clips: int) -> tuple[dict[str, list[float]], float, str]:
    """Milliseconds of every page by kind, the share of partial table pages, and the slowest page in words."""
    from django.core.management import call_command
    from django.test import Client

    from earmark.accounts.models import User

    call_command("flush", interactive=False, verbosity=0)
    began = time.perf_counter()
    made = make(clips, seed=SEED)
    print(f"{clips:,} clips made in {time.perf_counter() - began:.0f} s", flush=True)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.create_superuser(username="root", email="root@example.org", password="-"))
    pages = list(_pages(made, random.Random(SEED)))
    for one in {page.kind: page for page in pages}.values():
        _timed(client, made, one)
    times: dict[str, list[float]] = defaultdict(list)
    partial, slowest = 0, (0.0, "")
    for one in pages:
        milliseconds, answer = _timed(client, made, one)
        times[one.kind].append(milliseconds)
        slowest = max(slowest, (milliseconds, f"{one.name} {dict(one.query)}"))
        if one.kind == "clips":
            partial += STOPPED in answer.content
    return times, partial / len(times["clips"]), f"{slowest[0]:.0f} ms: {slowest[1]}"


def _timed(client: Any, made: Made, one: Asked) -> tuple[float, Any]:
    from django.urls import reverse

    address = reverse(f"web:{one.name}", args=[made.slug])
    began = time.perf_counter()
    answer = client.get(address, one.query)
    milliseconds = 1000 * (time.perf_counter() - began)
    if answer.status_code != 200:
        raise AssertionError(f"{answer.status_code} from {address} {dict(one.query)}")
    return milliseconds, answer


def _pages(made: Made, rng: random.Random) -> Iterator[Asked]:
    for _number in range(TABLE_PAGES):
        yield Asked("clips", "clips", _table_query(made, rng))
    for _number in range(OTHER_PAGES):
        for kind in ("corpus", "collection", "progress", "progress_confidence", "speakers"):
            yield Asked(kind, kind, {"speaker": rng.choice(made.speakers)[:5]} if kind == "speakers" else {})
        yield Asked("recordings", "recordings", {"after": rng.randrange(made.recordings)})


def _table_query(made: Made, rng: random.Random) -> dict[str, Any]:
    """Random filters, a random order, a random depth."""
    from earmark.corpus.browsing import ORDERS

    query: dict[str, Any] = {"sort": rng.choice(list(ORDERS))}
    for name in rng.sample(list(_FILTERS), rng.choice((0, 1, 1, 2, 2, 3, 4, 5))):
        query |= _FILTERS[name](made, rng)
    if rng.random() < 0.6:
        query["after"] = _deep(made, query["sort"], rng)
    return query


def _deep(made: Made, sort: str, rng: random.Random) -> str:
    """A place anywhere in the order."""
    from earmark.corpus.browsing import ORDERS, Place
    from earmark.corpus.models import Clip
    from earmark.web.queries.clips import Cursor

    order = ORDERS[sort]
    section, key = "", 0.0
    if order.column:
        low, high = MEASURES[order.column][2:] if order.column in MEASURES else (1, 3_000)
        section, key = "0", rng.uniform(low, high)
    elif order.group == "state":
        section = f"{rng.randrange(len(Clip.State.values)):02d}"
    elif order.group:
        section = rng.choice(DIALECTS)[order.group == "dialect"]
    return Cursor(Place(section, key, rng.randrange(1, made.clips)), back=rng.random() < 0.2).encode()


def _range(measure: str) -> Callable[[Made, random.Random], dict[str, Any]]:
    """A range of any width, the narrowest a thousandth of the measure's own."""
    low_name, high_name, least, most = MEASURES[measure]

    def draw(_made: Made, rng: random.Random) -> dict[str, Any]:
        width = (most - least) * 10 ** rng.uniform(-3, 0)
        low = rng.uniform(least, most - width)
        ends = {low_name: round(low, 4), high_name: round(low + width, 4)}
        return ends if rng.random() < 0.7 else {low_name: ends[low_name]}

    return draw


_FILTERS: dict[str, Callable[[Made, random.Random], dict[str, Any]]] = {
    "language": lambda _made, rng: {"language": rng.choice(DIALECTS)[0]},
    "dialect": lambda _made, rng: {"dialect": rng.choice(DIALECTS)[1]},
    "split": lambda _made, rng: {"split": rng.choice(("train", "dev", "test"))},
    "state": lambda _made, rng: {"state": rng.choice(("heard", "labelled", "in_round", "skipped", "new"))},
    "fit": lambda _made, rng: {
        "fit": rng.choice(("fit", "unfit", "noisy", "quiet", "narrow", "duplicate", "overruled"))
    },
    "flag": lambda _made, rng: {"flag": rng.choice(("loop", "silence", "truncated", "odd_rate"))},
    "generation": lambda _made, rng: {"generation": rng.choice(("retired", "every"))},
    "speaker": lambda made, rng: {"speaker": rng.choice(made.speakers)},
    "recording": lambda made, rng: {"recording": rng.randrange(1, made.recordings)},
    "import": lambda made, rng: {"brought_by": rng.choice(made.imports)},
    **{measure: _range(measure) for measure in MEASURES},
}


def _writing(*, with_triggers: bool) -> tuple[float, float]:
    """Median milliseconds of adding 2,000 clips and of changing the state of 200; nothing stays."""
    from django.db import connection, transaction

    from earmark.corpus.models import Clip

    insert, update = [], []
    template = Clip.objects.order_by("pk").values("collection_id", "recording_id", "speaker_id", "language",
        "dialect", "split", "snr_db", "loudness_lufs", "bandwidth_hz")[:2_000]  # fmt: skip
    rows = [{**one, "start": 1_000.0 + number, "seconds": 3.0} for number, one in enumerate(template)]
    for _run in range(WRITES):
        with transaction.atomic():
            with connection.cursor() as cursor:
                if not with_triggers:
                    cursor.execute("ALTER TABLE corpus_clip DISABLE TRIGGER USER")
            began = time.perf_counter()
            made = Clip.objects.bulk_create(Clip(**one) for one in rows)
            insert.append(time.perf_counter() - began)
            few = [one.pk for one in made[::10]]
            began = time.perf_counter()
            Clip.objects.filter(pk__in=few).update(state="heard")
            update.append(time.perf_counter() - began)
            transaction.set_rollback(True)
    return 1000 * percentile(insert, 0.5), 1000 * percentile(update, 0.5)


def _report(
    small: dict[str, list[float]],
    large: dict[str, list[float]],
    partial: float,
    worst: str,
    writes: dict[str, tuple[float, float]],
    clips: int,
) -> Report:
    from earmark.corpus.models import Recording
    from earmark.corpus.tally_models import ClipTally

    every = {"small": small, "large": large}
    p95 = {
        name: percentile([one for times in by_kind.values() for one in times], 0.95)
        for name, by_kind in every.items()
    }
    name = "1m" if clips == LARGE else "100k"
    figures: dict[str, Any] = {
        "p95_ms_10k": p95["small"],
        f"p95_ms_{name}": p95["large"],
        "ratio_of_p95": p95["large"] / p95["small"],
        f"worst_{name}": worst,
        "partial_share": partial,
    }
    baseline: dict[str, Any] = {}
    for kind in large:
        for share, label in ((0.5, "p50"), (0.95, "p95"), (1.0, "max")):
            figures[f"{kind}_{label}_ms"] = percentile(large[kind], share)
            baseline[f"{kind}_{label}_ms"] = percentile(small[kind], share)
    for at, what in enumerate(("write_insert_2000_ms", "write_state_200_ms")):
        figures[what], baseline[what] = writes["with"][at], writes["without"][at]
    page = PAGE.format(
        large=clips, small=SMALL, table=TABLE_PAGES, other=OTHER_PAGES, writes=WRITES,
        recordings=Recording.objects.count(), facets=ClipTally.objects.values("facet").distinct().count(),
    )  # fmt: skip
    page += "\nThe baseline of a page is the same page with 10,000 clips.\n"
    return Report("corpus_scale", figures, baseline, seeds=(SEED,), page=page)


if __name__ == "__main__":
    main()
