"""Read a manifest: what its maker knows of each file. One wrong value refuses it, naming the line and the column.

CSV (`.csv`, or `.tsv` with tabs; UTF-8 with a line of column names) or JSONL (`.jsonl`: one object a line).
"""

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from earmark.corpus.models import Clip, Recording, Speaker, Split
from earmark.speech.errors import EarmarkError

COLUMNS = ("path", "speaker", "language", "dialect", "split", "text", "licence")
CHANNEL_SPEAKER = re.compile(r"speaker_(\d{1,2})")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
IMPOSSIBLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_NAME = Recording._meta.get_field("name").max_length or 0
LONGEST = {
    "path": LONGEST_NAME,
    "speaker": Speaker._meta.get_field("name").max_length or 0,
    "language": Clip._meta.get_field("language").max_length or 0,
    "dialect": Clip._meta.get_field("dialect").max_length or 0,
    "licence": Recording._meta.get_field("licence").max_length or 0,
    "text": 20_000,
}

FORMAT = "corpus:manifest:format"
COLUMN = "corpus:manifest:column"
VALUE = "corpus:manifest:value"


@dataclass(frozen=True)
class Utterance:
    """A stretch of a file that its maker marked: `start` and `seconds` as they were given, nothing rounded.

    `channel` counts from 0; None is all channels together. An empty value is the file's.
    """

    start: float
    seconds: float
    text: str = ""
    speaker: str = ""
    channel: int | None = None
    language: str = ""

    @property
    def end(self) -> float:
        """Seconds from the file's start."""
        return self.start + self.seconds


@dataclass(frozen=True)
class Row:
    """What is known of one file; an empty value is not known. `path` is below the import's folder, with slashes.

    `channel_speakers` names who is on channel 0, 1 ...; `utterances` are the stretches that its maker marked, in the
    order of their start. `text` is the whole file's, and empty where there are utterances.
    """

    path: str
    speaker: str = ""
    language: str = ""
    dialect: str = ""
    split: str = ""
    text: str = ""
    licence: str = ""
    channel_speakers: tuple[str, ...] = ()
    utterances: tuple[Utterance, ...] = ()

    def speaker_of(self, channel: int) -> str:
        """Who is heard on `channel` where each channel is a voice of its own: as told, or named after the file."""
        if channel < len(self.channel_speakers) and self.channel_speakers[channel]:
            return self.channel_speakers[channel]
        name, end = self.speaker or str(PurePosixPath(self.path).with_suffix("")), f".ch{channel}"
        most = LONGEST["speaker"] - len(end)
        if len(name) > most:
            name = f"{name[: most - 17]}…{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
        return name + end


@dataclass(frozen=True)
class Place:
    """Where in a manifest something is wrong; `name` is the file's."""

    name: str
    line: int | None = None
    column: str | None = None

    def error(self, error_id: str, what: str, hint: str) -> EarmarkError:
        line = f", line {self.line}" if self.line else ""
        column = f", column {self.column!r}" if self.column else ""
        return EarmarkError(error_id, f"Manifest {self.name!r}{line}{column}: {what}.", hint)


def read_manifest(path: Path) -> dict[str, Row]:
    """Every row by its path. Raises EarmarkError `corpus:manifest:unreadable`, `:format`, `:column` or `:value`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        hint = "Check that it is there and that the worker may read it."
        raise Place(path.name).error("corpus:manifest:unreadable", what, hint) from None
    return parse_manifest(path.name, data)


def parse_manifest(name: str, data: bytes) -> dict[str, Row]:
    """Every row of a manifest called `name` by its path. Raises as `read_manifest` does."""
    suffix = PurePosixPath(name).suffix.lower()
    readers = {".csv": _csv_lines, ".tsv": _csv_lines, ".jsonl": _jsonl_lines, ".ndjson": _jsonl_lines}
    reader = readers.get(suffix)
    if reader is None:
        raise Place(name).error(FORMAT, f"ends in {suffix!r}", "Name it .csv, .tsv or .jsonl.")
    rows: dict[str, Row] = {}
    sides: dict[str, tuple[str, int]] = {}
    for place, values in reader(name, data):
        row = _row(place, values)
        if row.path in rows:
            what = f"{row.path!r} is in an earlier line"
            raise replace(place, column="path").error(VALUE, what, "List each file once.")
        if row.speaker:
            side, since = sides.setdefault(row.speaker, (row.split, place.line or 0))
            if side != row.split:
                what = f"{row.split!r}, but line {since} says {side!r} for the same speaker, {row.speaker!r}"
                hint = "Give one speaker one side, in every line."
                raise replace(place, column="split").error(VALUE, what, hint)
        rows[row.path] = row
    return rows


def csv_lines(
    name: str, data: bytes, delimiter: str, *, is_quoted: bool = True
) -> Iterator[tuple[Place, list[str]]]:
    """The fields of each line that holds any, quotes kept as they are unless `is_quoted`.

    Raises EarmarkError `corpus:manifest:format`.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    text = io.StringIO(utf8(name, data), newline="")
    lines = csv.reader(text, delimiter=delimiter, strict=True, quoting=quoting)
    try:
        for fields in lines:
            if any(field.strip() for field in fields):
                yield Place(name, lines.line_num), fields
    except csv.Error as error:
        place = Place(name, lines.line_num)
        raise place.error(FORMAT, f"not CSV ({error})", "Export it again as CSV, UTF-8.") from None


def json_lines(name: str, data: bytes) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The object on each line that is not blank. Raises EarmarkError `corpus:manifest:format`."""
    hint = "Write one JSON object a line."
    for line, text in enumerate(utf8(name, data).split("\n"), start=1):
        place = Place(name, line)
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise place.error(FORMAT, f"not JSON ({error})", hint) from None
        if not isinstance(values, dict):
            raise place.error(FORMAT, f"{values!r:.60} is no JSON object", hint)
        yield place, values


def utf8(name: str, data: bytes) -> str:
    """`data` as text. Raises EarmarkError `corpus:manifest:format`, naming the line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(name, error.object[: error.start].count(b"\n") + 1)
        what = f"a byte that is not UTF-8 (0x{error.object[error.start]:02x})"
        raise place.error(FORMAT, what, "Save it as UTF-8.") from None


def checked(place: Place, values: Mapping[str, str]) -> dict[str, Any]:
    """Values of columns, stripped and known to fit where they will stand.

    Raises EarmarkError `corpus:manifest:value`, naming the line and the column.
    """
    kept = {name: value.strip() for name, value in values.items()}
    for name, value in kept.items():
        at, most = replace(place, column=name), LONGEST.get(CHANNEL_SPEAKER.sub("speaker", name))
        if IMPOSSIBLE.search(value):
            raise at.error(VALUE, f"{value!r:.60} holds a character that no text has", "Remove it.")
        if most and len(value) > most:
            raise at.error(VALUE, f"{len(value)} characters; the most is {most}", "Shorten it.")
    if kept.get("split", "") not in ("", *Split.values):
        what, hint = f"{kept['split']!r} is no side", "Write train, dev or test, or leave it empty."
        raise replace(place, column="split").error(VALUE, what, hint)
    if kept.get("language") and not LANGUAGE.fullmatch(kept["language"]):
        what, hint = f"{kept['language']!r} is no language code", "Write it as in en, zh or yue."
        raise replace(place, column="language").error(VALUE, what, hint)
    return kept


def _csv_lines(name: str, data: bytes) -> Iterator[tuple[Place, dict[str, str]]]:
    names: list[str] = []
    for place, fields in csv_lines(name, data, "\t" if name.lower().endswith(".tsv") else ","):
        if not names:
            names = [field.strip().lower() for field in fields]
            _check_columns(place, names)
            continue
        if len(fields) != len(names):
            what = f"{len(fields)} fields where line 1 names {len(names)} columns"
            raise place.error(FORMAT, what, "Put quotes around a value that holds a comma.")
        yield place, dict(zip(names, fields, strict=True))
    if not names:
        _check_columns(Place(name, 1), names)


def _jsonl_lines(name: str, data: bytes) -> Iterator[tuple[Place, dict[str, str]]]:
    for place, values in json_lines(name, data):
        _check_columns(place, list(values))
        for column, value in values.items():
            if value is not None and not isinstance(value, str):
                what = f"{value!r:.60} is no text"
                raise replace(place, column=column).error(VALUE, what, "Put the value in quotes.")
        yield place, {column: value or "" for column, value in values.items()}


def _check_columns(place: Place, names: list[str]) -> None:
    hint = f"The columns are {', '.join(COLUMNS)}, speaker_0, speaker_1 ...; only path must be there."
    if "path" not in names:
        raise replace(place, column="path").error(COLUMN, "this column is missing", hint)
    for name in names:
        if name not in COLUMNS and not CHANNEL_SPEAKER.fullmatch(name):
            raise replace(place, column=name).error(COLUMN, "this column is not known", hint)
        if names.count(name) > 1:
            raise replace(place, column=name).error(COLUMN, "this column is there twice", hint)


def _row(place: Place, told: dict[str, str]) -> Row:
    values = checked(place, told)
    file = PurePosixPath(values["path"])
    if not file.parts or file.is_absolute() or ".." in file.parts:
        what = f"{values['path']!r} is no path below the folder"
        hint = "Write it relative to the folder, as in speaker/one.wav."
        raise replace(place, column="path").error(VALUE, what, hint)
    by_channel = {
        int(match[1]): values.pop(name) for name in [*values] if (match := CHANNEL_SPEAKER.fullmatch(name))
    }
    speakers = tuple(by_channel.get(channel, "") for channel in range(max(by_channel, default=-1) + 1))
    return Row(**{**values, "path": str(file)}, channel_speakers=speakers if any(speakers) else ())
