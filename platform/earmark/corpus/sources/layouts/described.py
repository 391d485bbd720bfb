"""What a layout's reader works with: where paths lead, what is said of a stretch, and the rows that come of it."""

import math
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, NamedTuple

from earmark.corpus.manifest import LONGEST_NAME, VALUE, Place, Row, Utterance, checked
from earmark.corpus.sources.trees import RefusedFileError, Tree, shown

PIPE = "corpus:import:pipe"
ADDRESS = "corpus:import:address"
_OF_THE_FILE = ("speaker", "language", "dialect", "split", "licence")


class Described(NamedTuple):
    """What is known of each file, by its path; and of those that cannot be had, why."""

    rows: dict[str, Row]
    refused: dict[str, RefusedFileError]


class Layout(NamedTuple):
    """`finds` picks the files that describe the others; `read` reads them; `told_by` names them to people."""

    finds: Callable[[Tree, Sequence[str]], list[str]]
    read: "Callable[[Where, list[str]], Described]"
    told_by: str


@dataclass(frozen=True)
class Where:
    """The tree of the audio and its files, and the tree that describes it, which is at `outer` if it is another."""

    audio: Tree
    described: Tree
    files: frozenset[str]
    outer: str = ""

    def path(self, said: str, beside: str) -> str:
        """The file that `said` means in the description `beside`.

        Taken from the description's own folder, or from the nearest one above it in which there is such a file.
        """
        ours = self.audio.relative(said)
        if posixpath.isabs(said) or "://" in said:
            return ours
        if self.outer:
            near = self.audio.relative(posixpath.normpath(posixpath.join(self.outer, said)))
            return near if near in self.files else posixpath.normpath(said)
        parts = posixpath.dirname(beside).split("/")
        folders = ["", *accumulate(parts, posixpath.join)] if parts != [""] else [""]
        for folder in reversed(folders):
            path = posixpath.normpath(posixpath.join(folder, said))
            if path in self.files:
                return path
        return posixpath.normpath(said)


@dataclass(frozen=True)
class Said:
    """What a description says of a file, or of the stretch of it from `start` on for `seconds`.

    `is_whole` says that the stretch is known to be all of the file.
    """

    place: Place
    path: str
    start: float | None = None
    seconds: float = 0.0
    text: str = ""
    speaker: str = ""
    language: str = ""
    dialect: str = ""
    split: str = ""
    licence: str = ""
    channel: int | None = None
    is_whole: bool = False


def described(said: Iterable[Said], refused: Iterable[tuple[str, RefusedFileError]] = ()) -> Described:
    """A row for each file; several stretches of one file become its utterances, in the order of their start.

    Raises EarmarkError `corpus:manifest:value` for what cannot be, naming the line.
    """
    by_path: dict[str, list[Said]] = {}
    for one in said:
        by_path.setdefault(one.path, []).append(_checked(one))
    rows = {path: _row(path, ones) for path, ones in by_path.items()}
    sides = {row.speaker: row.split for row in rows.values() if row.split}
    rows = {path: replace(row, split=row.split or sides.get(row.speaker, "")) for path, row in rows.items()}
    return Described(rows, dict(refused))


def pipe(path: str, name: str) -> tuple[str, RefusedFileError]:
    """A refusal of a command that stands where a file should: commands from outside are never run."""
    command = shown(path)[:200]
    return path[:LONGEST_NAME], RefusedFileError(
        PIPE,
        f"{name!r} is a command, {command!r}, and not a file.",
        "Run it yourself, keep what it writes as a file, and name that.",
    )


def address(path: str, name: str) -> tuple[str, RefusedFileError]:
    """A refusal of an address: nothing is fetched because a file says so."""
    place = shown(path)[:200]
    return path[:LONGEST_NAME], RefusedFileError(
        ADDRESS,
        f"{name!r} is at {place!r}, which is not fetched.",
        "Fetch it yourself, put it below the folder, and name it there.",
    )


def number(place: Place, name: str, value: object) -> float:
    """A finite number. Raises EarmarkError `corpus:manifest:value`."""
    try:
        if isinstance(value, bool):
            raise ValueError
        read = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        read = math.nan
    if not math.isfinite(read):
        raise replace(place, column=name).error(
            VALUE, f"{value!r:.60} is no number", "Write seconds, as in 1.25."
        )
    return read


def text_of(place: Place, name: str, value: object) -> str:
    """A text; empty for nothing; the figures of a whole number. Raises EarmarkError `corpus:manifest:value`."""
    if value is None:
        return ""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise replace(place, column=name).error(VALUE, f"{value!r:.60} is no text", "Put the value in quotes.")


def _checked(one: Said) -> Said:
    names = ("path", "text", *_OF_THE_FILE)
    return replace(one, **checked(one.place, {name: getattr(one, name) for name in names}))


def _row(path: str, ones: list[Said]) -> Row:
    alike: dict[str, Any] = {name: _alike(getattr(one, name) for one in ones) for name in _OF_THE_FILE}
    if len(ones) == 1 and (ones[0].is_whole or ones[0].start is None):
        return Row(path, **alike, text=ones[0].text)
    utterances = sorted(
        (_utterance(one) for one in ones), key=lambda one: (one.start, one.end, one.channel or 0)
    )
    return Row(path, **alike, utterances=tuple(utterances))


def _utterance(one: Said) -> Utterance:
    if one.start is None:
        what = f"{shown(one.path)!r} is described more than once, and here without a start"
        raise one.place.error(VALUE, what, "Give each of its stretches a start, or describe it once.")
    return Utterance(one.start, one.seconds, one.text, one.speaker, one.channel, one.language)


def _alike(values: Iterator[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""
