"""Read a manifest: what its maker knows of each file. One wrong value refuses it, naming the line and the column.

CSV (`.csv`, or `.tsv` with tabs; UTF-8 with a line of column names) or JSONL (`.jsonl`: one object a line).
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from earmark.corpus.models import Clip, Recording, Speaker, Split
from earmark.speech.errors import EarmarkError

COLUMNS = ("path", "speaker", "language", "dialect", "split", "text", "licence")
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

_FORMAT = "corpus:manifest:format"
_COLUMN = "corpus:manifest:column"
_VALUE = "corpus:manifest:value"


@dataclass(frozen=True)
class Row:
    """What is known of one file; an empty value is not known. `path` is below the import's folder, with slashes."""

    path: str
    speaker: str = ""
    language: str = ""
    dialect: str = ""
    split: str = ""
    text: str = ""
    licence: str = ""


@dataclass(frozen=True)
class _Place:
    """Where in the manifest something is wrong."""

    path: Path
    line: int | None = None
    column: str | None = None

    def error(self, error_id: str, what: str, hint: str) -> EarmarkError:
        line = f", line {self.line}" if self.line else ""
        column = f", column {self.column!r}" if self.column else ""
        return EarmarkError(error_id, f"Manifest {self.path.name!r}{line}{column}: {what}.", hint)


def read_manifest(path: Path) -> dict[str, Row]:
    """Every row by its path. Raises EarmarkError `corpus:manifest:unreadable`, `:format`, `:column` or `:value`."""
    readers = {".csv": _csv_lines, ".tsv": _csv_lines, ".jsonl": _jsonl_lines, ".ndjson": _jsonl_lines}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise _Place(path).error(_FORMAT, f"ends in {path.suffix!r}", "Name it .csv, .tsv or .jsonl.")
    rows: dict[str, Row] = {}
    sides: dict[str, tuple[str, int]] = {}
    for place, values in reader(path):
        row = _row(place, values)
        if row.path in rows:
            what = f"{row.path!r} is in an earlier line"
            raise replace(place, column="path").error(_VALUE, what, "List each file once.")
        if row.speaker:
            side, since = sides.setdefault(row.speaker, (row.split, place.line or 0))
            if side != row.split:
                what = f"{row.split!r}, but line {since} says {side!r} for the same speaker, {row.speaker!r}"
                hint = "Give one speaker one side, in every line."
                raise replace(place, column="split").error(_VALUE, what, hint)
        rows[row.path] = row
    return rows


def _csv_lines(path: Path) -> Iterator[tuple[_Place, dict[str, str]]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    lines = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(lines, [])]
        _check_columns(_Place(path, 1), names)
        for fields in lines:
            place = _Place(path, lines.line_num)
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(names):
                what = f"{len(fields)} fields where line 1 names {len(names)} columns"
                raise place.error(_FORMAT, what, "Put quotes around a value that holds a comma.")
            yield place, dict(zip(names, fields, strict=True))
    except csv.Error as error:
        place = _Place(path, lines.line_num)
        raise place.error(_FORMAT, f"not CSV ({error})", "Export it again as CSV, UTF-8.") from None


def _jsonl_lines(path: Path) -> Iterator[tuple[_Place, dict[str, str]]]:
    hint = "Write one JSON object a line."
    for line, text in enumerate(_text(path).split("\n"), start=1):
        place = _Place(path, line)
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise place.error(_FORMAT, f"not JSON ({error})", hint) from None
        if not isinstance(values, dict):
            raise place.error(_FORMAT, f"{values!r:.60} is no JSON object", hint)
        _check_columns(place, list(values))
        for name, value in values.items():
            if value is not None and not isinstance(value, str):
                what = f"{value!r:.60} is no text"
                raise replace(place, column=name).error(_VALUE, what, "Put the value in quotes.")
        yield place, {name: value or "" for name, value in values.items()}


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        hint = "Check that it is there and that the worker may read it."
        raise _Place(path).error("corpus:manifest:unreadable", what, hint) from None
    except UnicodeDecodeError as error:
        place = _Place(path, error.object[: error.start].count(b"\n") + 1)
        what = f"a byte that is not UTF-8 (0x{error.object[error.start]:02x})"
        raise place.error(_FORMAT, what, "Save it as UTF-8.") from None


def _check_columns(place: _Place, names: list[str]) -> None:
    hint = f"The columns are {', '.join(COLUMNS)}; only path must be there."
    if "path" not in names:
        raise replace(place, column="path").error(_COLUMN, "this column is missing", hint)
    for name in names:
        if name not in COLUMNS:
            raise replace(place, column=name).error(_COLUMN, "this column is not known", hint)
        if names.count(name) > 1:
            raise replace(place, column=name).error(_COLUMN, "this column is there twice", hint)


def _row(place: _Place, values: dict[str, str]) -> Row:
    values = {name: value.strip() for name, value in values.items()}
    for name, value in values.items():
        at = replace(place, column=name)
        if IMPOSSIBLE.search(value):
            raise at.error(_VALUE, f"{value!r:.60} holds a character that no text has", "Remove it.")
        if name in LONGEST and len(value) > LONGEST[name]:
            what = f"{len(value)} characters; the most is {LONGEST[name]}"
            raise at.error(_VALUE, what, "Shorten it.")
    file = PurePosixPath(values["path"])
    if not file.parts or file.is_absolute() or ".." in file.parts:
        what = f"{values['path']!r} is no path below the folder"
        hint = "Write it relative to the folder, as in speaker/one.wav."
        raise replace(place, column="path").error(_VALUE, what, hint)
    if values.get("split", "") not in ("", *Split.values):
        what = f"{values['split']!r} is no side"
        raise replace(place, column="split").error(
            _VALUE, what, "Write train, dev or test, or leave it empty."
        )
    if values.get("language") and not LANGUAGE.fullmatch(values["language"]):
        what = f"{values['language']!r} is no language code"
        raise replace(place, column="language").error(_VALUE, what, "Write it as in en, zh or yue.")
    return Row(**{**values, "path": str(file)})
