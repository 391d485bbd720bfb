"""Hear it live in a real browser: a file and the microphone go in, words that grow, colour and sound come out."""

import re
import threading
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, expect

from earmark.jobs.models import Job
from earmark.jobs.running import run
from earmark.recognition import live
from earmark.recognition.live_models import Listening
from earmark.speech.audio import SAMPLE_RATE
from earmark.speech.engine import AUTO, Heard, TokenScore, Word
from earmark.speech.stub import StubEngine
from tests.web.factories import World
from tests.web.test_browser import (
    CHROMIUM,
    PATIENCE_MS,
    QUIET,
    browser,
    context,
    live_server,
    page,
    sign_in,
    site,
    until,
    world,
)

__all__ = ["browser", "context", "live_server", "page", "site", "world"]
TOKENS = (("turn", -0.01), (" the", -0.2), (" lights", -1.9), (" off", -0.6), ("", -0.01))
WORDS = tuple(
    Word(text, 0.3 * i, 0.3 * i + 0.25, 0.9) for i, text in enumerate(("turn", "the", "lights", "off"))
)
WHOLE = Heard(
    "turn the lights off", tuple(TokenScore(i, *one, 0.1) for i, one in enumerate(TOKENS)), False, WORDS
)


class Slow(StubEngine):
    """Says two words, and the rest when it is told to."""

    def __init__(self) -> None:
        super().__init__(lambda _: WHOLE)
        self.go_on = threading.Event()

    def hear_growing(self, waveform: np.ndarray, *, language: str = AUTO) -> Iterator[Heard]:
        yield replace(WHOLE, text="turn the", tokens=WHOLE.tokens[:2], words=())
        assert self.go_on.wait(PATIENCE_MS / 1000)
        yield WHOLE


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, site: str) -> Iterator[Slow]:
    """The engine of a worker in this process, which takes what is asked of it one after the other."""
    made, is_over = Slow(), threading.Event()
    monkeypatch.setattr(live, "engine_for", lambda model: made)

    def work() -> None:
        while not is_over.wait(0.05):
            for job in Job.objects.waiting("gpu").filter(kind=live.KIND):
                run(job.pk)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    yield made
    is_over.set()
    made.go_on.set()
    worker.join()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of noise as a WAV."""
    samples = (6000 * np.random.default_rng(2).standard_normal(2 * SAMPLE_RATE)).clip(-32768, 32767)
    path = tmp_path / "turn.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_a_file_is_heard_word_by_word_and_played_from_any_of_them(
    page: Page, world: World, engine: Slow, recording: Path
) -> None:
    sign_in(page, "viewer")
    page.get_by_role("link", name="Hear it live").click()
    page.get_by_label("Spoken language").select_option("en")
    page.locator("listen-box.ready [data-part=file]").set_input_files(str(recording))
    growing = page.locator(".listen-clip.is-growing .listen-text")
    expect(growing).to_have_text("turn the")
    expect(page.get_by_role("button", name="Record")).to_be_disabled()
    engine.go_on.set()
    said = page.locator(".listen-clip:not(.is-growing) .listen-text")
    expect(said).to_have_text("turn the lights off")
    expect(page.locator("[data-part=took]")).to_contain_text("2 s heard in")
    lights, off = page.locator(".doubt-4", has_text="lights"), page.locator(".doubt-2", has_text="off")
    assert lights.evaluate("one => getComputedStyle(one).textDecorationStyle") == "wavy"
    assert off.evaluate("one => getComputedStyle(one).textDecorationStyle") == "dashed"
    lights.hover()
    expect(page.locator("[data-part=word]")).to_have_text("lights 15% sure · 0:00.6 – 0:00.8")
    # a word of a quarter of a second must still be there when a busy machine looks
    page.evaluate("document.querySelector('[data-part=audio]').playbackRate = 0.1")
    off.click()
    until(page, "document.querySelector('[data-part=audio]').currentTime > 0.9")
    until(page, "document.querySelector('.is-heard-now')?.textContent === 'off'")
    page.get_by_role("button", name="Pause").click()
    off.press("ArrowLeft")
    assert page.evaluate("document.activeElement.textContent") == "lights"
    assert Listening.objects.get().language == "en"


def test_what_is_no_audio_is_told_with_its_id(page: Page, world: World, engine: Slow, tmp_path: Path) -> None:
    bad = tmp_path / "letter.mp3"
    bad.write_text("Dear Sir or Madam")
    sign_in(page, "viewer")
    page.goto("/c/harbour/listen/")
    page.locator("listen-box.ready [data-part=file]").set_input_files(str(bad))
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("letter.mp3")
    expect(problem.locator("code")).to_have_text("corpus:audio:unreadable")
    expect(page.locator("[data-part=result]"), "nothing was heard").to_be_hidden()
    expect(page.get_by_role("button", name="Choose a file…")).to_be_enabled()


def test_stopping_forgets(page: Page, world: World, engine: Slow, recording: Path) -> None:
    sign_in(page, "viewer")
    page.goto("/c/harbour/listen/")
    page.locator("listen-box.ready [data-part=file]").set_input_files(str(recording))
    expect(page.locator(".is-growing")).to_contain_text("turn the")
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as answered:
        page.get_by_role("button", name="Stop", exact=True).click()
    assert answered.value.status == 204
    expect(page.locator("[data-part=state]")).to_have_text("Stopped.")
    expect(page.locator(".listen-text")).to_have_text("turn the")
    assert not Listening.objects.exists()


def heard_by_microphone(browser: Browser, recording: Path) -> Browser:
    """Another Chromium, whose microphone hears the recording again and again."""
    heard = (f"--use-file-for-fake-audio-capture={recording}", "--use-fake-device-for-media-stream")
    return browser.browser_type.launch(executable_path=CHROMIUM, args=[*QUIET, *heard])


def test_the_microphone_is_recorded_with_its_level_and_heard(
    browser: Browser, site: str, world: World, engine: Slow, recording: Path
) -> None:
    engine.go_on.set()
    with heard_by_microphone(browser, recording) as chromium:
        page = chromium.new_context(base_url=site, locale="en-GB", permissions=["microphone"]).new_page()
        sign_in(page, "viewer")
        page.goto("/c/harbour/listen/")
        page.get_by_role("button", name="Record").click()
        until(page, "document.querySelector('listen-box').microphone.levels.some((level) => level > 0.2)")
        until(page, "document.querySelector('[data-part=time]').textContent === '0:01'")
        page.get_by_role("button", name="Stop and hear it").click()
        expect(page.locator(".listen-text")).to_have_text("turn the lights off")
        until(page, "Number.isFinite(document.querySelector('[data-part=audio]').duration)")
        assert Listening.objects.get().seconds == pytest.approx(1.3, abs=0.6)


def test_a_refused_microphone_is_told(page: Page, world: World) -> None:
    sign_in(page, "viewer")
    page.goto("/c/harbour/listen/")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("microphone", re.IGNORECASE))
    expect(page.get_by_role("button", name="Record")).to_be_enabled()


def test_only_this_page_may_ask_for_the_microphone(page: Page, world: World) -> None:
    sign_in(page, "viewer")
    granted = [
        page.goto(f"/c/harbour/{path}").headers["permissions-policy"] for path in ("listen/", "clips/")
    ]  # type: ignore[union-attr]
    assert ["microphone=(self)" in one for one in granted] == [True, False]
    assert all("camera=()" in one for one in granted)
