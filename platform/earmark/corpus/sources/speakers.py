"""Who speaks, in which language, from the path of a file: `--speaker-from '(?P<speaker>[^/]+)/[^/]+$'`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import regex

from earmark.corpus.manifest import Place, Row, checked
from earmark.corpus.sources.naming import language_code, side
from earmark.speech.errors import EarmarkError

GROUPS = ("speaker", "language", "dialect", "split")
LONGEST_PATTERN = 500
SECONDS_PER_PATH = 0.5


def pattern(text: str) -> regex.Pattern[str]:
    """The pattern, with one of the named groups at least. Raises EarmarkError `corpus:import:pattern`."""
    hint = f"Write a regular expression with named groups of {', '.join(GROUPS)}: (?P<speaker>[^/]+)/[^/]+$"
    if len(text) > LONGEST_PATTERN:
        raise _error(f"{text[:60]!r}... has {len(text)} characters; the most is {LONGEST_PATTERN}", hint)
    try:
        made = regex.compile(text)
    except (regex.error, RecursionError, OverflowError) as error:
        raise _error(f"{text!r} is no regular expression ({error})", hint) from None
    if not made.groupindex:
        raise _error(f"{text!r} has no named group", hint)
    if unknown := sorted(set(made.groupindex) - set(GROUPS)):
        raise _error(f"{text!r} has a group {unknown[0]!r}, which is not known", hint)
    return made


def filled_in(rows: Sequence[Row], text: str) -> list[Row]:
    """`rows`, with what the pattern finds in each path wherever nothing was known.

    Raises EarmarkError `corpus:import:pattern` for a pattern that fits none of the paths or takes too long over one,
    and `corpus:manifest:value` for a value that cannot be.
    """
    made = pattern(text)
    filled, fits = [], 0
    for row in rows:
        found = _found(made, row.path)
        fits += bool(found)
        new: dict[str, Any] = {name: value for name, value in found.items() if not getattr(row, name)}
        filled.append(replace(row, **new))
    if rows and not fits:
        hint = "Check it against the path, which is written below the folder and with slashes."
        raise _error(f"{text!r} fits none of {len(rows)} paths, such as {rows[0].path!r}", hint)
    return filled


def _found(made: regex.Pattern[str], path: str) -> dict[str, str]:
    try:
        match = made.search(path, timeout=SECONDS_PER_PATH)
    except TimeoutError:
        what = f"{made.pattern!r} takes longer than {SECONDS_PER_PATH * 1000:.0f} ms over {path!r}"
        raise _error(what, "Avoid one repetition inside another, as in (a+)+.") from None
    values = {name: value for name, value in (match.groupdict() if match else {}).items() if value}
    if "split" in values:
        values["split"] = side(values["split"])
    if "language" in values:
        values["language"] = language_code(values["language"])
    return checked(Place(path), values)


def _error(what: str, hint: str) -> EarmarkError:
    return EarmarkError("corpus:import:pattern", f"The pattern {what}.", hint)
