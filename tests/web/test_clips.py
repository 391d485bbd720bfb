"""The clips table: every clip once, whatever the order, forwards and back."""

import itertools
import random
from typing import Any

import pytest
from django.db.models import Q
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from earmark.corpus import paging
from earmark.corpus.browsing import Place, Range, Wanted
from earmark.corpus.models import Clip, Collection, Reference
from earmark.recognition.champion_shown import follow_champion
from earmark.recognition.models import Alias, Hypothesis, HypothesisDetails, TranscriptionFailure
from earmark.web.forms import ClipFilterForm
from earmark.web.queries import clips as queries
from earmark.web.queries.clips import Cursor, Page, clips_page
from earmark.web.queries.counting import Count
from tests.web import factories
from tests.web.factories import DIALECTS, World


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 7)


def page(world: World, wanted: Wanted, cursor: str | None = None) -> Page:
    return clips_page(
        collection=world.collection,
        model=world.models[1],
        wanted=wanted,
        cursor=Cursor.decode(cursor) if cursor else None,
    )


def walk(world: World, wanted: Wanted) -> list[list[int]]:
    pages, cursor = [], None
    for _step in itertools.count():
        found = page(world, wanted, cursor)
        pages.append([row.clip.pk for row in found.rows])
        if found.next is None:
            return pages
        cursor = found.next
    raise AssertionError


@pytest.mark.parametrize("sort", ["newest", "most-sure", "least-sure"])
def test_every_clip_comes_once_in_order(world: World, short_pages: None, sort: str) -> None:
    Clip.objects.filter(dialect="scottish").update(confidence=0.5)
    seen = list(itertools.chain(*walk(world, Wanted(sort=sort))))
    by_id = sorted((clip.pk for clip in world.clips), reverse=True)
    sure = dict(Clip.objects.values_list("pk", "confidence"))
    wanted = {
        "newest": by_id,
        "most-sure": sorted(by_id, key=lambda pk: (-sure[pk], -pk)),
        "least-sure": sorted(by_id, key=lambda pk: (sure[pk], pk)),
    }
    assert seen == wanted[sort]


@pytest.mark.parametrize("sort", ["newest", "least-sure", "dialect", "speaker"])
def test_back_leads_where_one_came_from(world: World, short_pages: None, sort: str) -> None:
    pages, wanted = walk(world, Wanted(sort=sort)), Wanted(sort=sort)
    cursor = None
    for _page in pages[:-1]:
        cursor = page(world, wanted, cursor).next
    found = page(world, wanted, cursor)
    for earlier in reversed(pages[:-1]):
        found = page(world, wanted, found.previous)
        assert [row.clip.pk for row in found.rows] == earlier
    assert found.previous is None


def test_a_search_that_stops_early_goes_on_and_back(
    world: World, short_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GATHERED", 0), ("WALKED", 3), ("LEAST_CHUNK", 1)):
        monkeypatch.setattr(paging, name, value)
    wanted = Wanted(ranges=(Range("confidence", 0.0, 0.9),))
    there = [pk for part in walk(world, wanted) for pk in part]
    assert there == sorted(
        Clip.objects.filter(confidence__lte=0.9).values_list("pk", flat=True), reverse=True
    )
    assert any(len(part) < 7 for part in walk(world, wanted)[:-1])
    found = page(world, wanted)
    while found.next:
        found = page(world, wanted, found.next)
    back = [row.clip.pk for row in found.rows]
    while found.previous:
        found = page(world, wanted, found.previous)
        back = [row.clip.pk for row in found.rows] + back
    assert back == there


def test_the_address_narrows_and_what_it_narrows_is_counted(world: World) -> None:
    Clip.objects.filter(dialect="scottish").update(unfit="noisy", is_fit=False, snr_db=4.0)
    overruled = world.clips[0].pk
    Clip.objects.filter(pk=overruled).update(unfit="quiet", is_fit=True, is_current=False)
    current = Q(is_current=True)
    speaker = Q(speaker__name="scottish-2")
    asked: list[tuple[dict[str, Any], Q]] = [
        ({}, current),
        ({"dialect": "cantonese"}, current & Q(dialect="cantonese")),
        ({"split": "test", "language": "en"}, current & Q(split="test", language="en")),
        ({"state": "labelled"}, current & Q(state="labelled")),
        ({"speaker": "scottish-2"}, current & speaker),
        ({"speaker": "nobody"}, Q(pk=0)),
        ({"low": 0.6, "high": 0.9}, current & Q(confidence__gte=0.6, confidence__lte=0.9)),
        (
            {"low": 0.9, "dialect": "american", "sort": "least-sure"},
            current & Q(confidence__gte=0.9, dialect="american"),
        ),
        ({"flag": "loop"}, current & Q(flags="loop")),
        ({"fit": "noisy"}, current & Q(dialect="scottish")),
        ({"fit": "fit"}, current & ~Q(dialect="scottish")),
        ({"fit": "overruled", "generation": "every"}, Q(pk=overruled)),
        ({"generation": "retired"}, Q(pk=overruled)),
        ({"snr_high": 5}, current & Q(snr_db__lte=5)),
        ({"recording": world.clips[3].recording_id}, current & Q(recording=world.clips[3].recording_id)),
    ]
    for given_values, condition in asked:
        form = ClipFilterForm(given_values, languages=["en", "zh", "yue"], dialects=sorted(DIALECTS))
        assert form.is_valid(), form.errors
        found = page(world, form.wanted(world.collection))
        wanted = set(Clip.objects.filter(condition, collection=world.collection).values_list("pk", flat=True))
        assert {row.clip.pk for row in found.rows} == wanted, given_values
        assert found.count == Count(len(wanted)), given_values


def test_clips_of_another_collection_are_never_found(world: World) -> None:
    other = Collection.objects.create(slug="other", name="Other")
    clip = factories.recordings(other, random.Random(1), 1)[0]
    for wanted in (
        Wanted(recording=clip.recording_id),
        Wanted(speaker=clip.speaker_id),
        Wanted(brought_by=factories.an_import(other).pk),
    ):
        assert page(world, wanted).rows == []


def test_speakers_are_offered_by_how_their_names_begin(world: World) -> None:
    client = Client()
    client.force_login(world.people["viewer"])
    url = reverse("web:speakers", args=["harbour"])
    offered = client.get(url, {"speaker": "SCOT"}).content.decode()
    assert offered.count("<option") == len(factories.SPLITS)
    assert 'value="scottish-3"' in offered
    assert "<option" not in client.get(url, {"speaker": "%"}).content.decode()
    assert "<option" not in client.get(url).content.decode()


def test_a_row_shows_the_champion_and_the_current_reference(world: World) -> None:
    clip = world.clips[0]
    Reference.objects.filter(clip=clip).delete()
    Reference.objects.create(clip=clip, version=1, text="old", kind="imported", is_current=False)
    Reference.objects.create(clip=clip, version=2, text="new", kind="adjudicated")
    row = next(row for row in page(world, Wanted()).rows if row.clip == clip)
    assert row.hypothesis is not None
    assert row.hypothesis.model == world.models[1]
    assert row.reference is not None
    assert row.reference.text == "new"


def test_without_a_champion_clips_are_listed_unheard(world: World) -> None:
    Alias.objects.all().delete()
    follow_champion(world.collection)
    for sort in ("newest", "least-sure"):
        found = clips_page(collection=world.collection, model=None, wanted=Wanted(sort=sort), cursor=None)
        assert [row.hypothesis for row in found.rows] == [None] * len(world.clips)


def test_what_is_not_counted_is_estimated_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "GATHERED", 3)
    count = page(world, Wanted(ranges=(Range("seconds", 1.0), Range("confidence", 0.0)))).count
    assert count.is_estimate
    assert str(count).startswith("about ")


@given(
    st.text(max_size=60),
    st.floats(min_value=-1e12, max_value=1e12),
    st.integers(0, 2**60),
    st.booleans(),
)
def test_a_cursor_survives_its_address(section: str, key: float, pk: int, back: bool) -> None:
    cursor = Cursor(Place(section, key, pk), back)
    assert Cursor.decode(cursor.encode()) == cursor


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
    Hypothesis.objects.filter(clip=clip).update(text=evil)
    HypothesisDetails.objects.filter(hypothesis__clip=clip).update(tokens=[[evil, -2.0, 0.1]])
    Reference.objects.update_or_create(clip=clip, version=1, defaults={"text": evil, "kind": "imported"})
    client = Client()
    client.force_login(world.people["viewer"])
    for url in (reverse("web:clip", args=["harbour", clip.pk]), reverse("web:clips", args=["harbour"])):
        assert evil not in client.get(url, {"speaker": "american-0"}).content.decode()


def test_a_clip_and_its_round_say_why_it_was_chosen(world: World) -> None:
    one = world.collection.rounds.get(number=2).clips.filter(reason="strategy").order_by("-score", "pk")[0]
    client = Client()
    client.force_login(world.people["viewer"])
    for url in (
        reverse("web:clip", args=["harbour", one.clip_id]),
        reverse("web:round", args=["harbour", 2]),
    ):
        text = client.get(url).content.decode()
        assert "errors per second it is expected to repair" in text
        assert "0.41" in text


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
