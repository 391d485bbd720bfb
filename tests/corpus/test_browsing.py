"""Every page of clips holds what a plain sort of a plain filter holds, however it was found."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from earmark.corpus import paging
from earmark.corpus.browsing import ORDERS, Place, Range, Wanted, facets_of
from earmark.corpus.models import Clip, Collection, Import, ImportFile, Recording, Speaker, Unfit
from earmark.corpus.paging import page_of

SIZE = 13
pytestmark = pytest.mark.django_db


@pytest.fixture
def collection() -> Collection:
    """250 clips of every kind, many with the same values, some without."""
    rng = random.Random(5)
    made = Collection.objects.create(slug="many", name="Many")
    Collection.objects.create(slug="other", name="Other")
    speakers = [Speaker.objects.create(collection=made, name=f"s{n}", split="train") for n in range(5)]
    brought = [Import.objects.create(collection=made, source=str(n)) for n in range(2)]
    recordings = [
        Recording.objects.create(
            collection=made, sha256=f"{n:064x}", name=str(n), file="x", bytes=1, seconds=60.0, rate=16_000,
            channels=1, format="WAV",
        )
        for n in range(30)
    ]  # fmt: skip
    for n, recording in enumerate(recordings):
        ImportFile.objects.create(
            of=brought[n % 3 == 0], path=str(n), outcome="ingested", recording=recording
        )
    clips = []
    for number in range(250):
        language, dialect = rng.choice([("en", "scots"), ("en", "irish"), ("zh", "sichuan"), ("", "")])
        unfit = rng.choice(["", "", "", Unfit.NOISY, Unfit.QUIET])
        heard = rng.random() < 0.8
        clips.append(
            Clip(
                collection=made, recording=rng.choice(recordings), speaker=rng.choice([None, *speakers]),
                start=number, seconds=rng.choice([1.0, 2.5, 2.5, 12.25, 30.0]), language=language, dialect=dialect,
                split=rng.choice(["train", "train", "dev", "test"]), unfit=unfit,
                is_fit=not unfit or rng.random() < 0.2,
                state=rng.choice(["heard", "labelled"]) if heard else "new", is_current=rng.random() < 0.9,
                confidence=rng.choice([0.1, 0.5, rng.random()]) if heard else None,
                flags=rng.choice(["", "loop", "loop,silence"]) if heard else "",
                snr_db=rng.choice([None, 3.0, rng.uniform(0, 40)]),
                loudness_lufs=rng.choice([-23.0, rng.uniform(-60, -10)]),
                bandwidth_hz=rng.choice([3_400.0, 8_000.0]),
            )
        )  # fmt: skip
    Clip.objects.bulk_create(clips)
    return made


NARROWINGS = [
    Wanted(),
    Wanted(generation="every"),
    Wanted(generation="retired", fit="unfit"),
    Wanted(language="en", split="train"),
    Wanted(dialect="scots", fit="overruled"),
    Wanted(state="labelled", flag="silence"),
    Wanted(fit="noisy"),
    Wanted(state="skipped"),
    Wanted(ranges=(Range("snr_db", 10.0, 30.0),)),
    Wanted(language="en", ranges=(Range("confidence", None, 0.5), Range("seconds", 2.5))),
    Wanted(ranges=(Range("loudness_lufs", -25.0, -20.0), Range("bandwidth_hz", None, 4_000.0))),
    Wanted(brought_by=0),
    Wanted(brought_by=1, ranges=(Range("confidence", 0.2),)),
    Wanted(speaker=0, generation="every"),
    Wanted(speaker=1, language="en", ranges=(Range("snr_db", 1.0),)),
    Wanted(recording=0),
    Wanted(recording=1, speaker=2),
]


def of(collection: Collection, narrowing: Wanted, sort: str) -> Wanted:
    """The narrowing with real ids in place of numbers."""
    rows = {"speaker": Speaker.objects, "recording": Recording.objects, "brought_by": Import.objects}
    ids = {
        name: list(known.filter(collection=collection).order_by("pk").values_list("pk", flat=True))[number]
        for name, known in rows.items()
        if (number := getattr(narrowing, name)) is not None
    }
    return replace(narrowing, sort=sort, **ids)


def expected(collection: Collection, wanted: Wanted) -> list[int]:
    """What Python's own sort makes of Django's own filter."""
    order = wanted.order
    clips = list(Clip.objects.filter(wanted.on_clips(), collection=collection).distinct())
    sign = -1 if order.is_descending else 1

    def key(clip: Clip) -> tuple[object, ...]:
        if order.group:
            value = getattr(clip, order.group)
            return (Clip.State.values.index(value) if order.group == "state" else value, -clip.pk)
        value = getattr(clip, order.column) if order.column else None
        return (bool(order.column) and value is None, sign * (value or 0), sign * clip.pk)

    if any(one.measure == order.column for one in wanted.ranges):
        clips = [clip for clip in clips if getattr(clip, order.column) is not None]
    return [clip.pk for clip in sorted(clips, key=key)]


def pages(collection: Collection, wanted: Wanted, *, back_from: Place | None = None) -> Iterator[list[Place]]:
    facets = facets_of(collection, wanted)
    after = back_from
    for _step in itertools.count():
        found = page_of(facets, wanted, size=SIZE, after=after, back=back_from is not None)
        yield found.places
        if found.beyond is None:
            return
        after = found.beyond


@pytest.fixture(params=["gathered", "walked"])
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that may be gathered is, or nothing is and a walk looks at 60 clips at a time."""
    if request.param == "walked":
        monkeypatch.setattr(paging, "GATHERED", 0)
        monkeypatch.setattr(paging, "WALKED", 60)
        monkeypatch.setattr(paging, "LEAST_CHUNK", 2)


def test_each_clip_comes_once_and_in_order(collection: Collection, limits: None) -> None:
    for narrowing, sort in itertools.product(NARROWINGS, ORDERS):
        wanted = of(collection, narrowing, sort)
        seen = [place.pk for page in pages(collection, wanted) for place in page]
        assert seen == expected(collection, wanted), wanted


def test_the_way_back_is_the_way_there(collection: Collection, limits: None) -> None:
    for narrowing, sort in itertools.product(NARROWINGS, ORDERS):
        wanted = of(collection, narrowing, sort)
        there = [place for page in pages(collection, wanted) for place in page]
        if there:
            back = [place for page in pages(collection, wanted, back_from=there[-1]) for place in page]
            assert back == there[-2::-1], wanted


def test_what_is_counted_is_right(collection: Collection) -> None:
    for narrowing, sort in itertools.product(NARROWINGS, ("newest", "least-sure", "dialect")):
        wanted = of(collection, narrowing, sort)
        found = page_of(facets_of(collection, wanted), wanted, size=SIZE)
        assert found.matching == len(expected(collection, wanted)), wanted


def test_a_walk_ends_after_its_measure_and_says_so(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "GATHERED", 0)
    monkeypatch.setattr(paging, "WALKED", 20)
    monkeypatch.setattr(paging, "LEAST_CHUNK", 1)
    wanted = Wanted(ranges=(Range("confidence", 0.1, 0.1), Range("snr_db", 3.0, 3.0)))
    found = page_of(facets_of(collection, wanted), wanted, size=SIZE)
    assert not found.is_whole
    assert found.beyond is not None
    assert found.matching is None


def test_a_section_that_has_gone_does_not_end_the_table(collection: Collection) -> None:
    wanted = Wanted(sort="dialect", language="en")
    facets = facets_of(collection, wanted)
    at = Place("orcadian", 0.0, 1)
    forward = page_of(facets, wanted, size=SIZE, after=at).places
    backward = page_of(facets, wanted, size=SIZE, after=at, back=True).places
    assert {place.section for place in forward} == {"scots"}
    assert {place.section for place in backward} == {"irish"}
