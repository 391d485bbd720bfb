"""The documents stand alone, and what they point to is there."""

import re

from tests.rules import error_page
from tests.rules.tree import ROOT, files, shown

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PAGES = (*sorted(ROOT.glob("*.md")), *files(under=("docs", "models"), endings=(".md",)))


def test_links_lead_somewhere() -> None:
    broken = [
        f"{shown(page)}: {target}"
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_nothing_outside_the_repository_is_referred_to() -> None:
    outside = [
        f"{shown(page)}: {target}"
        for page in PAGES
        for target in re.findall(r"(?:\.\./)+[\w./-]*", page.read_text(encoding="utf-8"))
        if not (page.parent / target).resolve().is_relative_to(ROOT)
    ]
    assert outside == []


def test_every_error_is_on_its_page() -> None:
    page = error_page.PAGE.read_text(encoding="utf-8")
    assert page == error_page.drawn(), "`.venv/bin/python -m tests.rules.error_page` writes it anew"
