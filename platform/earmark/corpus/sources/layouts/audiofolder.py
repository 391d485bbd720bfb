"""Hugging Face AudioFolder: files in folders of splits, with `metadata.csv` or `metadata.jsonl` beside them.

https://huggingface.co/docs/datasets/audio_dataset#audiofolder
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from earmark.corpus.manifest import COLUMN, FORMAT, Place, csv_lines, json_lines
from earmark.corpus.sources.layouts.described import Described, Said, Where, described, text_of
from earmark.corpus.sources.naming import SIDES, language_code
from earmark.corpus.sources.trees import Tree

_NAMES = {
    "text": ("transcription", "text", "sentence", "transcript"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "language": ("language", "lang", "locale"),
    "dialect": ("dialect", "accent", "accents"),
    "licence": ("licence", "license"),
}


def finds(tree: Tree, files: Sequence[str]) -> list[str]:
    """Each `metadata.csv` or `metadata.jsonl`."""
    return [path for path in files if posixpath.basename(path) in ("metadata.csv", "metadata.jsonl")]


def read(where: Where, found: list[str]) -> Described:
    """What the metadata says. Raises EarmarkError `corpus:manifest:...`."""
    return described(said for path in found for said in _metadata(where, path))


def _metadata(where: Where, metadata: str) -> Iterator[Said]:
    data = where.described.read(metadata)
    lines = json_lines(metadata, data) if metadata.endswith(".jsonl") else _csv(metadata, data)
    folder = posixpath.dirname(metadata)
    for place, values in lines:
        name = text_of(place, "file_name", values.get("file_name"))
        if not name:
            raise place.error(
                COLUMN, "no file_name", "Give each line the path of its file below the metadata's folder."
            )
        path = where.path(posixpath.join(folder, name) if not posixpath.isabs(name) else name, metadata)
        told: dict[str, Any] = {ours: _first(place, values, theirs) for ours, theirs in _NAMES.items()}
        told["language"] = language_code(told["language"])
        yield Said(place, path, **told, split=_side(path, where.outer))


def _csv(name: str, data: bytes) -> Iterator[tuple[Place, Mapping[str, str]]]:
    names: list[str] = []
    for place, fields in csv_lines(name, data, ","):
        if not names:
            names = fields
        elif len(fields) != len(names):
            what = f"{len(fields)} fields where line 1 names {len(names)} columns"
            raise place.error(FORMAT, what, "Put quotes around a value that holds a comma.")
        else:
            yield place, dict(zip(names, fields, strict=True))


def _first(place: Place, values: Mapping[str, object], names: Sequence[str]) -> str:
    return next((text_of(place, name, values[name]) for name in names if values.get(name) is not None), "")


def _side(path: str, outer: str) -> str:
    """The side of the first folder that is named for one."""
    folders = [*outer.split("/")[-1:], *path.split("/")[:-1]]
    return next((SIDES[name.lower()] for name in folders if name.lower() in SIDES), "")
