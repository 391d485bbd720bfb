"""The pages in a real browser: what a person sees, hears and presses."""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.files.base import ContentFile
from django.test import override_settings
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from earmark.corpus.models import Recording
from earmark.speech.audio import SAMPLE_RATE, write_flac
from tests.web import factories
from tests.web.factories import World
from training_jobs.models import TrainingMetric

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
)  # fmt: skip
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for this module. The loop Playwright runs makes Django think the tests are asynchronous."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def live_server() -> Iterator[LiveServer]:
    """pytest-django's server with the static files of every app; by itself it looks for Django's own app config."""
    server = LiveServer("localhost", start=False)
    server.thread.static_handler = StaticFilesHandler
    server.start()
    yield server
    server.stop()


@pytest.fixture
def site(transactional_db: None, live_server: LiveServer) -> Iterator[str]:
    with override_settings(EARMARK=replace(settings.EARMARK, site_url=live_server.url)):
        yield live_server.url


@pytest.fixture
def world(site: str) -> World:
    return factories.world(per_speaker=2)


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    made = browser.new_context(base_url=site, locale="en-GB", viewport={"width": 1280, "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must say nothing bad on its console: no script error, no file refused by the policy."""
    complaints: list[str] = []
    opened = context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "favicon" not in message.text:
            complaints.append(message.text)

    opened.on("console", note)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    assert complaints == []


def sign_in(page: Page, name: str) -> None:
    page.goto("/sign-in/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/c/harbour/$"))


def until(page: Page, true: str) -> None:
    """Wait for an expression to hold; Playwright's own way needs `eval`, which the pages forbid."""
    for _tenth in range(PATIENCE_MS // 100):
        if page.evaluate(true):
            return
        page.wait_for_timeout(100)
    raise AssertionError(true)


def give_audio(world: World) -> None:
    """Two seconds of a tone behind every clip."""
    tone = 0.2 * np.sin(np.arange(2 * SAMPLE_RATE) * 2 * math.pi * 440 / SAMPLE_RATE)
    flac = write_flac(tone.astype(np.float32))
    for recording in Recording.objects.filter(collection=world.collection):
        recording.file.save(f"{recording.sha256}.flac", ContentFile(flac))
    world.collection.recordings.update(seconds=2.0)
    world.collection.clips.update(start=0.0, seconds=2.0)


def test_signing_in_shows_the_loop_and_its_numbers(page: Page, world: World) -> None:
    sign_in(page, "viewer")
    loop = page.locator("svg.loop")
    expect(loop.get_by_text("Recordings", exact=True)).to_be_visible()
    expect(loop).to_contain_text("7.2%")
    expect(page.get_by_role("heading", name="A training is running")).to_be_visible()
    loop.get_by_text("Hypotheses", exact=True).click()
    expect(page).to_have_url(re.compile(r"/clips/$"))


def test_a_wrong_password_says_so(page: Page, world: World) -> None:
    page.goto("/sign-in/")
    page.get_by_label("User name").fill("viewer")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("User name or password is wrong")


def test_a_clip_plays_in_the_list_one_at_a_time(page: Page, world: World) -> None:
    give_audio(world)
    sign_in(page, "viewer")
    page.goto("/c/harbour/clips/")
    audio = page.locator("table.clips audio")
    assert audio.first.evaluate("one => one.readyState") == 0  # nothing is loaded before it is asked for
    page.get_by_role("button", name=re.compile("Play clip")).first.click()
    until(page, "document.querySelector('table.clips audio').currentTime > 0.05")
    page.locator("table.clips .play").nth(1).click()
    until(page, "document.querySelectorAll('table.clips audio')[1].currentTime > 0.05")
    assert audio.first.evaluate("one => one.paused")


def test_the_keyboard_walks_plays_and_opens(page: Page, world: World) -> None:
    give_audio(world)
    sign_in(page, "viewer")
    page.goto("/c/harbour/clips/")
    page.locator("clip-player.ready").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.closest('tr') === document.querySelector('tbody tr')")
    page.keyboard.press("Space")
    until(page, "!document.querySelector('table.clips audio').paused")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/clips/{max(clip.pk for clip in world.clips)}/$"))


def test_filters_narrow_without_a_reload_and_stay_in_the_address(page: Page, world: World) -> None:
    sign_in(page, "viewer")
    page.goto("/c/harbour/clips/")
    page.evaluate("window.stayed = true")
    page.get_by_label("Dialect").select_option("scottish")
    expect(page.locator("#clips .pager")).to_contain_text("10 clips")
    expect(page).to_have_url(re.compile("dialect=scottish"))
    assert page.evaluate("window.stayed")
    page.reload()
    expect(page.get_by_label("Dialect")).to_have_value("scottish")
    expect(page.locator("#clips .pager")).to_contain_text("10 clips")


def test_the_shading_of_doubt_can_be_put_away_and_stays_so(page: Page, world: World) -> None:
    sign_in(page, "viewer")
    page.goto("/c/harbour/clips/")
    doubt = page.locator(".doubt-4, .doubt-3").first
    shaded = doubt.evaluate("one => getComputedStyle(one).backgroundColor")
    page.get_by_label("Shade doubtful words").uncheck()
    assert doubt.evaluate("one => getComputedStyle(one).backgroundColor") != shaded
    page.reload()
    expect(page.get_by_label("Shade doubtful words")).not_to_be_checked()


@pytest.mark.parametrize(("who", "seen"), [("admin", 1), ("manager", 0)])
def test_only_admins_are_offered_to_train(page: Page, world: World, who: str, seen: int) -> None:
    sign_in(page, who)
    page.goto("/c/harbour/trainings/")
    expect(page.get_by_role("link", name="Train…")).to_have_count(seen)


def test_a_running_training_is_drawn_and_grows(page: Page, world: World) -> None:
    sign_in(page, "viewer")
    page.goto(f"/c/harbour/trainings/{world.running.pk}/")
    page.locator("#curves canvas").wait_for()
    expect(page.locator("#live")).to_contain_text("step 231 of 420")
    with page.expect_response(lambda answer: "/metrics/" in answer.url and answer.status == 200):
        TrainingMetric.objects.create(
            training_job=world.running,
            position=10**6,
            step=240,
            stage="mixed",
            values={"stage": "mixed", "step": 240, "steps_total": 420, "loss": 0.2},
        )
    expect(page.locator("#live")).to_contain_text("step 240 of 420")


def test_what_cannot_be_undone_is_asked_twice(page: Page, world: World) -> None:
    sign_in(page, "admin")
    page.goto(f"/c/harbour/trainings/{world.running.pk}/")
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel this training?")
    dialog.get_by_role("button", name="Not now").click()
    world.running.job.refresh_from_db()
    assert not world.running.job.cancel_requested
    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#live")).to_contain_text("Stopping…")


def test_every_page_speaks_chinese_without_complaint(page: Page, world: World) -> None:
    give_audio(world)
    sign_in(page, "admin")
    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_role("link", name="标注轮次").first).to_be_visible()
    training, clip = world.training.pk, world.clips[0].pk
    for path in (
        "corpus/", "recordings/", "progress/", "clips/", f"clips/{clip}/", "rounds/", "rounds/2/", "rounds/new/",
        "trainings/", "models/",
        f"trainings/{training}/", "trainings/launch/", "snapshots/", "imports/", "jobs/", "people/",
        "listen/", "gate/", "recut/", "desk/", "desk/type/", "review/",
    ):  # fmt: skip
        page.goto(f"/c/harbour/{path}")
        assert page.locator("html").get_attribute("lang") == "zh-hans"
        assert page.locator("h1").inner_text()
    page.goto("/c/harbour/progress/")
    expect(page.locator("#errors canvas")).to_be_visible()
    expect(page.locator(".multiple canvas")).to_have_count(4)


def test_a_clip_is_heard_and_walked_through_by_keys(page: Page, world: World) -> None:
    give_audio(world)
    first, second = world.clips[:2]
    second.recording = first.recording
    second.start, second.seconds = 1.0, 0.9
    second.save()
    sign_in(page, "reviewer")
    page.goto(f"/c/harbour/clips/{first.pk}/")
    place = page.get_by_role("slider", name="Position")
    expect(page.locator("clip-sound")).to_have_class(re.compile("ready"))
    until(page, "document.querySelector('clip-sound').peaks?.length === 2000")
    until(page, "document.querySelector('clip-sound').cells?.height === 96")
    page.keyboard.press("ArrowRight")
    expect(place).to_have_attribute("aria-valuenow", "1.0")
    page.keyboard.press("Shift+ArrowLeft")
    expect(place).to_have_attribute("aria-valuenow", "0.9")
    page.keyboard.press("Space")
    until(page, "document.querySelector('clip-sound audio').currentTime > 0.95")
    page.get_by_role("button", name="Pause").click()
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(rf"/clips/{second.pk}/$"))
    page.get_by_text("Set it aside…").click()
    page.get_by_label("Why").fill("a door slams")
    page.get_by_role("button", name="Set aside").click()
    expect(page.locator(".verdict")).to_contain_text("a door slams")
    second.refresh_from_db()
    assert not second.is_fit


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, world: World) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    give_audio(world)
    sign_in(page, "annotator")
    expect(page.locator(".loop-list")).to_be_visible()
    expect(page.locator("#sidebar")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.locator("#sidebar")).to_be_visible()
    clip, training = world.clips[0].pk, world.training.pk
    for path in (
        "", "clips/", f"clips/{clip}/", "imports/", "rounds/2/", f"trainings/{training}/", "models/", "progress/",
        "listen/",
    ):  # fmt: skip
        page.goto(f"/c/harbour/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
