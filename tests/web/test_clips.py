"""The clips table: every clip once, whatever the order, forwards and back."""

import itertools

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from earmark.corpus.models import Clip, Reference
from earmark.recognition.models import Hypothesis, TranscriptionFailure
from earmark.web.queries import clips as queries
from earmark.web.queries import counting
from earmark.web.queries.clips import ClipFilter, Cursor, Page, clips_page
from earmark.web.queries.counting import Count
from tests.web.factories import World


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 7)


def page(world: World, narrowed: ClipFilter, cursor: str | None = None) -> Page:
    return clips_page(
        collection=world.collection,
        model=world.models[1],
        narrowed=narrowed,
        cursor=Cursor.decode(cursor) if cursor else None,
    )


def walk(world: World, narrowed: ClipFilter) -> list[list[int]]:
    pages, cursor = [], None
    for _step in itertools.count():
        found = page(world, narrowed, cursor)
        pages.append([row.clip.pk for row in found.rows])
        if found.next is None:
            return pages
        cursor = found.next
    raise AssertionError


@pytest.mark.parametrize("sort", queries.SORTS)
def test_every_clip_comes_once_in_order(world: World, short_pages: None, sort: str) -> None:
    Hypothesis.objects.filter(clip__dialect="scottish").update(confidence=0.5)
    seen = list(itertools.chain(*walk(world, ClipFilter(sort=sort))))
    by_id = sorted((clip.pk for clip in world.clips), reverse=True)
    sure = dict(Hypothesis.objects.filter(model=world.models[1]).values_list("clip_id", "confidence"))
    wanted = {
        queries.NEWEST: by_id,
        queries.MOST_SURE: sorted(by_id, key=lambda pk: (-sure[pk], -pk)),
        queries.LEAST_SURE: sorted(by_id, key=lambda pk: (sure[pk], pk)),
    }
    assert seen == wanted[sort]


@pytest.mark.parametrize("sort", queries.SORTS)
def test_back_leads_where_one_came_from(world: World, short_pages: None, sort: str) -> None:
    pages, narrowed = walk(world, ClipFilter(sort=sort)), ClipFilter(sort=sort)
    cursor = None
    for _page in pages[:-1]:
        cursor = page(world, narrowed, cursor).next
    found = page(world, narrowed, cursor)
    for earlier in reversed(pages[:-1]):
        found = page(world, narrowed, found.previous)
        assert [row.clip.pk for row in found.rows] == earlier
    assert found.previous is None


def test_filters_narrow_and_are_counted(world: World) -> None:
    for narrowed in (
        ClipFilter(dialect="cantonese"),
        ClipFilter(split="test", language="en"),
        ClipFilter(state="labelled"),
        ClipFilter(speaker="scottish-2"),
        ClipFilter(low=0.6, high=0.9),
        ClipFilter(low=0.9, dialect="american", sort=queries.LEAST_SURE),
        ClipFilter(flag="loop"),
    ):
        found = page(world, narrowed)
        wanted = Clip.objects.filter(narrowed.on_clips(), collection=world.collection)
        if narrowed.asks_the_hypothesis:
            heard = Hypothesis.objects.filter(narrowed.on_hypotheses(), model=world.models[1])
            wanted = wanted.filter(pk__in=heard.values("clip"))
        assert {row.clip.pk for row in found.rows} == set(wanted.values_list("pk", flat=True))
        assert found.count == Count(wanted.count())


def test_a_row_shows_the_champion_and_the_current_reference(world: World) -> None:
    clip = world.clips[0]
    Reference.objects.filter(clip=clip).delete()
    Reference.objects.create(clip=clip, version=1, text="old", kind="imported", is_current=False)
    Reference.objects.create(clip=clip, version=2, text="new", kind="adjudicated")
    row = next(row for row in page(world, ClipFilter(speaker="american-0")).rows if row.clip == clip)
    assert row.hypothesis is not None
    assert row.hypothesis.model == world.models[1]
    assert row.reference is not None
    assert row.reference.text == "new"


def test_without_a_champion_clips_are_listed_unheard(world: World) -> None:
    found = clips_page(collection=world.collection, model=None, narrowed=ClipFilter(), cursor=None)
    assert [row.hypothesis for row in found.rows] == [None] * len(world.clips)
    by_sureness = ClipFilter(sort=queries.LEAST_SURE)
    assert clips_page(collection=world.collection, model=None, narrowed=by_sureness, cursor=None).rows == []


def test_large_sets_are_estimated_and_say_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "COUNTED_EXACTLY", 5)
    count = counting.count_of(Clip.objects.filter(collection=world.collection))
    assert count.is_estimate
    assert str(count).startswith("about ")


@pytest.mark.parametrize("gathered", [0, 10**6])
def test_gathered_or_read_off_the_index_the_order_is_one(
    world: World, short_pages: None, monkeypatch: pytest.MonkeyPatch, gathered: int
) -> None:
    monkeypatch.setattr(queries, "GATHERED", gathered)
    sure = dict(Hypothesis.objects.filter(model=world.models[1]).values_list("clip_id", "confidence"))
    seen = list(itertools.chain(*walk(world, ClipFilter(sort=queries.LEAST_SURE))))
    assert seen == sorted(sure, key=lambda pk: (sure[pk], pk))


@given(
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    st.integers(0, 2**60),
    st.booleans(),
)
def test_a_cursor_survives_its_address(key: float | None, pk: int, back: bool) -> None:
    assert Cursor.decode(Cursor(key, pk, back).encode()) == Cursor(key, pk, back)


@given(st.text(max_size=30))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    try:
        Cursor.decode(text)
    except ValueError:
        return
    assert Cursor.decode(Cursor.decode(text).encode())


def test_a_broken_cursor_and_a_strange_filter_are_said_to_be_so(world: World) -> None:
    client = Client()
    client.force_login(world.people["viewer"])
    url = reverse("web:clips", args=["harbour"])
    assert client.get(url, {"after": "nonsense"}).status_code == 400
    answer = client.get(url, {"dialect": "martian"})
    assert "These filters cannot be read" in answer.content.decode()


def test_a_reviewer_keeps_a_new_version(world: World) -> None:
    client = Client()
    client.force_login(world.people["reviewer"])
    pk = world.clips[0].pk
    client.post(reverse("web:reference_set", args=["harbour", pk]), {"text": " exactly this "})
    current = Reference.objects.get(clip=pk, is_current=True)
    assert (current.text, current.kind, current.author) == ("exactly this", "adjudicated", "reviewer")


def test_text_of_people_and_models_is_escaped(world: World) -> None:
    clip, evil = world.clips[0], "<script>alert(1)</script>"
    Hypothesis.objects.filter(clip=clip).update(text=evil, tokens=[[evil, -2.0, 0.1]])
    Reference.objects.update_or_create(clip=clip, version=1, defaults={"text": evil, "kind": "imported"})
    client = Client()
    client.force_login(world.people["viewer"])
    for url in (reverse("web:clip", args=["harbour", clip.pk]), reverse("web:clips", args=["harbour"])):
        assert evil not in client.get(url, {"speaker": "american-0"}).content.decode()


def test_a_clip_no_model_could_hear_says_why(world: World) -> None:
    clip = world.clips[0]
    TranscriptionFailure.objects.create(
        clip=clip, model=world.models[1], error_id="speech:clip:too_short", error="It lasts 0.01 s."
    )
    client = Client()
    client.force_login(world.people["viewer"])
    assert (
        "speech:clip:too_short" in client.get(reverse("web:clip", args=["harbour", clip.pk])).content.decode()
    )
