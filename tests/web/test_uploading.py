"""Uploading in a real browser: lines that break, pages that are closed, and bytes that are equal in the end."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from earmark.corpus.models import Import, Upload
from earmark.corpus.uploads import part_of
from tests.web.factories import World
from tests.web.test_browser import browser, context, live_server, sign_in, site, until, world

__all__ = ["browser", "context", "live_server", "site", "world"]
MEGABYTE = 1 << 20


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page whose console may speak of lines that broke."""
    return context.new_page()


def choose(page: Page, *paths: Path) -> None:
    page.locator("[data-part=files]").set_input_files([str(path) for path in paths])


def test_a_broken_line_and_a_closed_page_lose_nothing(page: Page, world: World, tmp_path: Path) -> None:
    big, small = tmp_path / "big.wav", tmp_path / "small 一.wav"
    big.write_bytes(os.urandom(5 * MEGABYTE))
    small.write_bytes(os.urandom(1000))
    sent = {"posts": 0, "patches": 0}

    def cut(route: Route) -> None:
        """The first piece is cut down to 2 MB, as a line that breaks in it would; then the line is dead."""
        request = route.request
        if request.method == "POST" and request.headers.get("upload-length") == str(5 * MEGABYTE):
            sent["posts"] += 1
            route.continue_(post_data=(request.post_data_buffer or b"")[: 2 * MEGABYTE])
        elif request.method == "PATCH":
            sent["patches"] += 1
            route.abort("connectionreset")
        else:
            route.continue_()

    sign_in(page, "manager")
    page.goto("/c/harbour/imports/")
    page.route(re.compile("/uploads/"), cut)
    choose(page, big, small)
    until(page, "[...document.querySelectorAll('.upload')].some((one) => one.matches('.is-there'))")
    expect(page.locator(".upload.is-sending")).to_contain_text("no connection; trying again")
    assert sent["patches"] >= 1
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("1 files of an earlier upload are not complete")
    expect(page.get_by_role("button", name="Import 2 files")).to_be_disabled()
    page.unroute(re.compile("/uploads/"))
    choose(page, big, small)
    expect(page.get_by_role("status")).to_contain_text("All 2 files are there")
    assert sent["posts"] == 1
    for path in (big, small):
        assert part_of(Upload.objects.get(path=path.name)).read_bytes() == path.read_bytes()
    page.get_by_label("Channels").select_option("split")
    page.get_by_role("button", name="Import 2 files").click()
    expect(page).to_have_url(re.compile(r"/imports/\d+/$"))
    assert Import.objects.get().options["channels"] == "split"


def test_a_refused_file_says_why_and_can_be_removed(page: Page, world: World, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "b\\ad.wav"
    for path in (good, bad):
        path.write_bytes(b"sound")
    sign_in(page, "manager")
    page.goto("/c/harbour/imports/")
    choose(page, good, bad)
    refused = page.locator(".upload.is-failed")
    expect(refused).to_contain_text("corpus:upload:path")
    refused.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Import 1 files")).to_be_enabled()
