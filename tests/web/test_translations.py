"""Everything people read is there in Chinese, and the catalogue is in step with the code."""

import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings

from earmark.web.catalogue import Message, compile_mo, in_template, messages_of, read_po, write_po
from earmark.web.management.commands.translations import ROOMS

FOLDER = Path(settings.LOCALE_PATHS[0]) / "zh_Hans" / "LC_MESSAGES"
AGAIN = "run `manage.py translations` and translate what it names"


@pytest.fixture(scope="module")
def code() -> set[Message]:
    return {message for room in ROOMS for message in messages_of(settings.BASE_DIR / room)}


@pytest.fixture(scope="module")
def catalogue() -> dict[Message, str]:
    return read_po((FOLDER / "django.po").read_text(encoding="utf-8"))


def test_the_catalogue_holds_what_the_code_says_and_no_more(
    code: set[Message], catalogue: dict[Message, str]
) -> None:
    assert sorted(code - set(catalogue)) == [], AGAIN
    assert sorted(set(catalogue) - code) == [], AGAIN


def test_nothing_is_untranslated(catalogue: dict[Message, str]) -> None:
    assert [message.text for message, chinese in catalogue.items() if not chinese] == []


def test_translations_fill_in_the_same_values(catalogue: dict[Message, str]) -> None:
    blanks = re.compile(r"%\(\w+\)\d*[sd]|%%|\{\w*\}|<[^>]+>|`[^`]+`")
    different = [
        message.text
        for message, chinese in catalogue.items()
        if sorted(set(blanks.findall(message.text))) != sorted(set(blanks.findall(chinese)))
    ]
    assert different == []


def test_the_compiled_catalogue_says_the_same(catalogue: dict[Message, str]) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message, chinese in catalogue.items():
        told = (
            compiled.ngettext(message.text, message.plural, 2)
            if message.plural
            else compiled.gettext(message.text)
        )
        assert told == chinese, AGAIN


def test_a_template_is_read_as_django_reads_it() -> None:
    source = """{% translate "Plain" %} {% translate 'It’s "so"' as x %} {{ a|default:_("Given") }}
      {% blocktranslate with n=count %}{{ n }} (of many), 5%{% endblocktranslate %}
      {% blocktranslate count n=items|length %}{{ n }} clip{% plural %}{{ n }} clips{% endblocktranslate %}"""
    assert set(in_template(source)) == {
        Message("Plain"),
        Message('It’s "so"'),
        Message("Given"),
        Message("%(n)s (of many), 5%%"),
        Message("%(n)s clip", "%(n)s clips"),
    }


def test_the_catalogue_survives_being_written_and_read() -> None:
    known = {
        Message('a "b"\nc\\d'): "甲\n乙",
        Message("%(n)s x", "%(n)s xs"): "%(n)s 个",
        Message("empty"): "",
    }
    assert read_po(write_po(known, known)) == known
    assert compile_mo(known) == compile_mo(read_po(write_po(known, known)))
