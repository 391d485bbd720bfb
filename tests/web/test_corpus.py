"""The corpus page: what it says is there is there, and every bar leads to exactly its clips."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from earmark.accounts.models import User
from earmark.corpus.models import Clip, Collection, Recording
from earmark.web.queries import corpus as queries
from earmark.web.queries.corpus import holdings
from tests.web.factories import World

SignedIn = Callable[[User | None], Client]


@pytest.fixture
def measured(world: World) -> World:
    """The world with figures of every kind, some clips unfit and some of an earlier cutting."""
    for number, clip in enumerate(world.clips):
        Clip.objects.filter(pk=clip.pk).update(
            snr_db=None if number % 9 == 0 else 1.5 * number + 0.1,
            loudness_lufs=-60.1 + 2 * number,
            bandwidth_hz=8_001.0 - 150 * number,
            unfit="noisy" if number % 5 == 0 else "",
            is_fit=number % 5 != 0,
            is_current=number % 7 != 0,
        )
    return world


def page(world: World, signed_in: SignedIn, name: str = "corpus", **query: Any) -> Any:
    answer = signed_in(world.people["viewer"]).get(reverse(f"web:{name}", args=["harbour"]), query)
    assert answer.status_code == 200
    return answer


def test_every_bar_leads_to_exactly_its_clips(measured: World, signed_in: SignedIn) -> None:
    client = signed_in(measured.people["viewer"])
    charts = page(measured, signed_in).context["charts"]
    assert {one.key for one in charts} == {"dialects", "voices", "sides", "unfit", *queries.DRAWN}
    followed = 0
    for bar in (bar for chart in charts for bar in chart.bars if bar.url):
        assert client.get(bar.url).context["found"].count.number == bar.amount.clips, bar
        followed += 1
    assert followed > 40


def test_each_chart_adds_up_to_all_current_clips(measured: World, signed_in: SignedIn) -> None:
    current = Clip.objects.filter(collection=measured.collection, is_current=True)
    held = holdings(measured.collection)
    seconds = pytest.approx(current.aggregate(all=Sum("seconds"))["all"], abs=0.01)
    assert (held.all.clips, held.all.seconds) == (current.count(), seconds)
    for chart in page(measured, signed_in).context["charts"]:
        clips = sum(bar.amount.clips for bar in chart.bars)
        wanted = {"unfit": held.all.clips - held.usable.clips}.get(chart.key, held.all.clips)
        assert clips + (held.other_voices.clips if chart.key == "voices" else 0) == wanted, chart.key


def test_the_others_are_summed(measured: World, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "SHOWN_SPEAKERS", 3)
    monkeypatch.setattr(queries, "SHOWN_DIALECTS", 1)
    text = page(measured, signed_in).content.decode()
    assert "17 other speakers" in text
    assert "3 others" in text


def test_an_empty_collection_says_what_to_do(world: World, signed_in: SignedIn) -> None:
    empty = Collection.objects.create(slug="empty", name="Empty")
    empty.memberships.create(user=world.people["viewer"], role="viewer")
    answer = signed_in(world.people["viewer"]).get(reverse("web:corpus", args=["empty"]))
    assert "Nothing here yet" in answer.content.decode()


def test_only_collections_one_may_see_are_beside(world: World, signed_in: SignedIn) -> None:
    for slug in ("open", "closed"):
        Collection.objects.create(slug=slug, name=slug.title())
    Collection.objects.get(slug="open").memberships.create(user=world.people["viewer"], role="viewer")
    text = page(world, signed_in).content.decode()
    assert reverse("web:corpus", args=["open"]) in text
    assert "closed" not in text


def test_names_are_escaped(world: World, signed_in: SignedIn) -> None:
    evil = "</script><script>alert(1)</script>"
    world.collection.speakers.filter(name="american-0").update(name=evil)
    Clip.objects.filter(dialect="scottish").update(dialect=evil)
    text = page(world, signed_in).content.decode()
    assert evil not in text
    assert escape(evil) in text


def test_recordings_are_listed_to_the_last(
    world: World, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "RECORDINGS_A_PAGE", 7)
    seen, after = [], ""
    while True:
        context = page(world, signed_in, "recordings", after=after).context
        seen += [one.pk for one in context["rows"]]
        if context["next"] is None:
            break
        after = str(context["next"])
    newest = Recording.objects.filter(collection=world.collection).order_by("-pk")
    assert seen == list(newest.values_list("pk", flat=True))


def test_a_strange_place_among_the_recordings_is_no_page(world: World, signed_in: SignedIn) -> None:
    url = reverse("web:recordings", args=["harbour"])
    for after in ("x", "-1", "9" * 30):
        assert signed_in(world.people["viewer"]).get(url, {"after": after}).status_code == 404
