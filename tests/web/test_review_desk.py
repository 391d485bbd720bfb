"""The desks in a real browser, by the keyboard alone: what is pressed, and what the database says then."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotation.deciding import decide, version_of
from annotation.models import Annotation, RoundClip
from annotation.review_models import Decision, Draft
from annotation.routing_models import Pass
from earmark import web
from earmark.corpus.models import Reference
from earmark.web.desk_keys import KEYS
from tests.rules.tree import ROOT
from tests.web import desks, factories
from tests.web.factories import World
from tests.web.test_browser import browser, context, live_server, page, sign_in, site, until

__all__ = ["browser", "context", "live_server", "page", "site"]

JS = Path(web.__file__).parent / "static" / "web" / "js"


@pytest.fixture
def world(site: str) -> World:
    return factories.world(per_speaker=2)


def open_desk(page: Page, path: str, who: str = "manager") -> None:
    sign_in(page, who)
    page.goto(f"/c/harbour/{path}")
    expect(page.locator("[data-part=work]")).to_be_visible()


def shown(page: Page) -> str:
    return page.locator("[data-part=clip-link]").inner_text()


def press_on(page: Page, *keys: str) -> None:
    """Press keys that decide; wait until another clip is shown."""
    before = shown(page)
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator("[data-part=clip-link]")).not_to_have_text(before)
    until(page, "document.querySelector('review-bench').pending === 0")


def test_twenty_clips_by_the_keyboard_alone(page: Page, world: World) -> None:
    rows = desks.waiting_for_review(world, 21)
    open_desk(page, "review/")
    wanted: list[tuple[str, str, str]] = []
    for place in range(20):
        expect(page.locator("[data-part=clip-link]")).to_have_text(f"#{rows[place].clip_id}")
        match place % 5:
            case 0:
                page.keyboard.press("1")
                text = page.locator("textarea").input_value()
                wanted.append(("accept", text, ""))
                press_on(page, "a")
            case 1:
                page.keyboard.press("2")
                text = page.locator("textarea").input_value()
                wanted.append(("accept", text, ""))
                press_on(page, "a")
            case 2:
                page.keyboard.press("0")
                page.keyboard.press("e")
                page.keyboard.type(f" {place}")
                text = f"{desks.TEXTS['en'][2]} {place}"
                expect(page.locator("textarea")).to_have_value(text)
                wanted.append(("correct", text, ""))
                press_on(page, "Control+Enter")
            case 3:
                wanted.append(("unintelligible", "", ""))
                press_on(page, "u")
            case 4:
                page.keyboard.press("r")
                page.keyboard.press("3")
                page.keyboard.type("the light")
                wanted.append(("return", "", "wrong_words"))
                press_on(page, "Enter")
    until(page, "document.querySelector('review-bench').pending === 0")
    made = Decision.objects.order_by("pk").values_list("round_clip", "kind", "text", "reason_code")
    assert list(made) == [(row.pk, *one) for row, one in zip(rows, wanted, strict=False)]
    assert set(Decision.objects.filter(kind="return").values_list("note", flat=True)) == {"the light"}
    assert Pass.objects.filter(returned_code="wrong_words", status=Pass.Status.WAITING).count() == 4
    assert all(
        0 < one.client_seconds <= one.server_seconds + 1
        for one in Decision.objects.all()
        if one.client_seconds and one.server_seconds
    )
    assert Decision.objects.filter(server_seconds=None).count() == 0
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="Nothing waits here")).to_be_visible()


def test_it_is_heard_by_keys_and_typing_steals_none(page: Page, world: World) -> None:
    desks.waiting_for_review(world, 2)
    open_desk(page, "review/")
    sound = "document.querySelector('review-bench').sound"
    page.keyboard.press("Space")
    until(page, f"{sound}.audio.currentTime > 1.5")
    page.keyboard.press("b")
    until(page, f"{sound}.audio.currentTime < 1.5")
    page.keyboard.press("Space")
    until(page, f"{sound}.audio.paused")
    page.keyboard.press("+")
    assert page.evaluate(f"{sound}.audio.playbackRate") == 1.25
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert page.evaluate(f"{sound}.audio.playbackRate") == 0.9
    for key in ["ArrowLeft"] * 5 + ["ArrowRight"] * 2:
        page.keyboard.press(key)
    expect(page.locator(".bench-word.is-current")).to_have_text("light")
    page.keyboard.press("l")
    until(page, f"{sound}.loop !== null && !{sound}.audio.paused")
    start = page.evaluate(f"{sound}.loop.word.start")
    until(page, f"{sound}.audio.currentTime >= {start} - 0.1")
    page.wait_for_timeout(1500)
    assert start - 0.2 <= page.evaluate(f"{sound}.audio.currentTime") <= start + 1.0, "it goes round"
    page.keyboard.press("l")
    until(page, f"{sound}.audio.paused")
    before = shown(page)
    page.keyboard.press("e")
    page.keyboard.type("j u a r ? 1 b")
    assert page.locator("textarea").input_value().endswith("j u a r ? 1 b")
    page.keyboard.press("Control+p")
    until(page, f"!{sound}.audio.paused")
    page.keyboard.press("Escape")
    assert shown(page) == before
    assert not Decision.objects.exists()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Ctrl")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator(".bench-word").first.click()
    until(page, f"{sound}.loop?.word.text === 'turn'")


def test_names_are_hidden_and_doubt_is_coloured_until_asked_otherwise(page: Page, world: World) -> None:
    desks.waiting_for_review(world, 2)
    open_desk(page, "review/")
    name = page.locator(".bench-name").first
    expect(name).to_be_hidden()
    page.keyboard.press("n")
    expect(name).to_be_visible()
    doubtful = page.locator(".bench-word.doubt-4, .bench-word.doubt-3, .bench-word.doubt-2").first
    shaded = doubtful.evaluate("one => getComputedStyle(one).backgroundColor")
    page.keyboard.press("c")
    assert doubtful.evaluate("one => getComputedStyle(one).backgroundColor") != shaded
    page.keyboard.press("c")
    page.keyboard.press("n")


def test_a_draft_is_there_after_a_reload(page: Page, world: World) -> None:
    desks.waiting_for_review(world, 2)
    open_desk(page, "review/")
    page.keyboard.press("e")
    page.keyboard.type(" and more")
    expect(page.locator("[data-part=state]")).to_have_text("Draft saved")
    kept = page.locator("textarea").input_value()
    page.reload()
    expect(page.locator("textarea")).to_have_value(kept)
    expect(page.locator("[data-part=state]")).to_have_text("Your unfinished text is back")
    assert Draft.objects.get(text=kept).user == world.people["manager"]
    press_on(page, "a")
    assert Decision.objects.get().text == kept
    assert not Draft.objects.filter(text=kept).exists()


def test_who_comes_second_sees_what_the_first_decided(
    browser: Browser, context: BrowserContext, site: str, world: World
) -> None:
    rows = desks.waiting_for_review(world, 2)
    page = context.new_page()
    open_desk(page, "review/")
    decide(
        round_clip=rows[0],
        kind="correct",
        expected=version_of(rows[0].pk),
        by=world.people["admin"],
        text="turn the hall light off please",
    )
    page.keyboard.press("1")
    page.keyboard.press("a")
    conflict = page.locator("[data-part=conflict]")
    expect(conflict).to_contain_text("admin corrected it to “turn the hall light off please”")
    assert Decision.objects.count() == 1
    mine = page.locator("textarea").input_value()
    assert mine in desks.TEXTS["en"], "what was written is still there"
    expect(conflict.locator(".diff-other").first).to_have_text("hall")
    page.keyboard.press("t")
    expect(page.locator("textarea")).to_have_value("turn the hall light off please")
    page.keyboard.press("e")
    page.keyboard.type(" now")
    press_on(page, "Control+Enter")
    assert Decision.objects.order_by("-pk")[0].text == "turn the hall light off please now"
    assert Reference.objects.get(clip=rows[0].clip_id, is_current=True).text.endswith("now")


def test_clips_are_transcribed_without_label_studio(page: Page, world: World, settings: Any) -> None:
    # not the usual address: one may run there for something else
    settings.EARMARK = replace(settings.EARMARK, label_studio_url="http://127.0.0.1:9")
    passes = desks.waiting_for_annotator(world, 4)
    sign_in(page, "annotator")
    page.goto("/c/harbour/desk/")
    expect(page.get_by_role("heading", name="Came back to you")).to_be_visible()
    expect(page.locator(".desk-reason")).to_contain_text("words are missing")
    expect(page.locator("#studio")).to_contain_text("Label Studio does not answer")
    page.locator("#type-here").click()
    expect(page.locator("[data-part=returned]")).to_contain_text("the last word")
    page.keyboard.press("e")
    page.keyboard.type(" now")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    press_on(page, "a")
    press_on(page, "s")
    expect(page.locator("textarea")).to_have_value("")
    expect(page.locator("[data-part=heard]")).to_be_hidden()
    page.keyboard.press("e")
    page.keyboard.type("from nothing")
    press_on(page, "Control+Enter")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    until(page, "document.querySelector('review-bench').pending === 0")
    told = Annotation.objects.filter(source="desk").order_by("pk")
    assert list(told.values_list("of_pass", "text", "quality", "was_skipped", "is_blind")) == [
        (passes[1].pk, f"{desks.TEXTS['en'][2]} now", ["noisy"], False, False),
        (passes[0].pk, "", [], True, False),
        (passes[2].pk, "from nothing", [], False, True),
        (passes[3].pk, "", ["unintelligible"], False, False),
    ]
    assert set(told.values_list("annotator", flat=True)) == {"annotator@example.org"}
    assert set(Pass.objects.filter(round=passes[0].round).values_list("status", flat=True)) == {"done"}
    outcomes = RoundClip.objects.filter(round=passes[0].round).order_by("pk")
    assert list(outcomes.values_list("outcome", flat=True)) == [
        "skipped", "labelled", "labelled", "unintelligible",
    ]  # fmt: skip
    page.goto("/c/harbour/desk/")
    expect(page.locator(".desk-today")).to_contain_text("4 clips")


def test_the_desks_fit_a_phone(page: Page, world: World) -> None:
    desks.waiting_for_annotator(world, 3)
    page.set_viewport_size({"width": 390, "height": 800})
    sign_in(page, "annotator")
    for path in ("desk/", "desk/type/"):
        page.goto(f"/c/harbour/{path}")
        page.locator("h1").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


# --- what needs no browser


def in_node(code: str, tmp_path: Path) -> Any:
    """What `code` prints as JSON, run by the Node that Playwright brings, beside the pages' pure modules."""
    for name in ("diff", "stopwatch"):
        (tmp_path / f"{name}.mjs").write_text(
            (JS / f"{name}.js").read_text(encoding="utf-8"), encoding="utf-8"
        )
    (tmp_path / "run.mjs").write_text(code, encoding="utf-8")
    node = str(compute_driver_executable()[0])
    done = subprocess.run([node, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compared(pairs: list[tuple[str, str]], tmp_path: Path) -> list[list[dict[str, str]]]:
    code = f"""import {{ compare }} from "./diff.mjs";
    console.log(JSON.stringify({json.dumps(pairs)}.map(([base, text]) => compare(base, text))));"""
    found: list[list[dict[str, str]]] = in_node(code, tmp_path)
    return found


def test_what_differs_is_told_by_words_and_by_characters(tmp_path: Path) -> None:
    pairs = [
        ("turn the light off", "turn the lights off"),
        ("turn the light off", "turn light off"),
        ("Turn it on.", "turn it on"),
        ("打开客厅的灯", "打开客听的灯"),
        ("打开 the 灯", "打开灯"),
        ("", "anything"),
        ("anything", ""),
    ]
    told = [
        [(one["kind"], one["text"] or one.get("missing", "")) for one in pieces if one["kind"] != "same"]
        for pieces in compared(pairs, tmp_path)
    ]
    assert told == [
        [("other", "lights")],
        [("gap", "the")],
        [("near", "turn"), ("near", "on")],
        [("other", "听")],
        [("gap", "the")],
        [("other", "anything")],
        [("gap", "anything")],
    ]


def test_the_pieces_spell_the_text(tmp_path: Path) -> None:
    texts = [
        "“你好”, she said",
        "a  b\tc",
        "…",
        "ＡＢＣ　ok",
        "二〇二六年 (2026)",
        "don't",
        "  leading",
        "𠀀字",
        "好,好",
    ]
    pairs = [(base, text) for base in texts for text in texts]
    for (base, text), pieces in zip(pairs, compared(pairs, tmp_path), strict=True):
        assert "".join(one["before"] + one["text"] for one in pieces) == text.rstrip(), (base, text)
        if base == text:
            assert {one["kind"] for one in pieces} == {"same"}


def test_idling_is_not_work(tmp_path: Path) -> None:
    code = """import { Stopwatch } from "./stopwatch.mjs";
    let now = 0;
    const watch = new Stopwatch(60, () => now);
    for (const at of [5, 30, 1000, 1010]) { now = at; watch.touch(); }
    console.log(JSON.stringify(watch.seconds));"""
    assert in_node(code, tmp_path) == 5 + 25 + 60 + 10


def test_every_key_is_in_the_documentation() -> None:
    told = (ROOT / "docs" / "desk.md").read_text(encoding="utf-8")
    missing = [str(cap) for key in KEYS for cap in key.caps if cap != "…" and f"`{cap}`" not in told]
    assert missing == []
    for key in KEYS:
        assert str(key.does) in told, key.does
