"""NeMo manifests: one JSON object a line with `audio_filepath`, `duration`, `text`, and for a stretch `offset`.

https://docs.nvidia.com/deeplearning/nemo/user-guide/docs/en/stable/asr/datasets.html
"""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from earmark.corpus.manifest import COLUMN, Place, json_lines
from earmark.corpus.sources.layouts.described import Described, Said, Where, described, number, text_of
from earmark.corpus.sources.naming import language_code, side_of
from earmark.corpus.sources.trees import RefusedFileError, Tree

_HEAD = 4096
_MOST_LOOKED_AT = 12


def finds(tree: Tree, files: Sequence[str]) -> list[str]:
    """Each `.json` or `.jsonl` whose first line speaks of an `audio_filepath`."""
    named = [path for path in files if path.lower().endswith((".json", ".jsonl"))]
    return [path for path in named[:_MOST_LOOKED_AT] if b'"audio_filepath"' in _first_line(tree, path)]


def read(where: Where, found: list[str]) -> Described:
    """What the manifests say. Raises EarmarkError `corpus:manifest:...`."""
    return described(said for path in found for said in _lines(where, path))


def _lines(where: Where, manifest: str) -> Iterator[Said]:
    split = side_of(posixpath.basename(manifest)) or side_of(posixpath.basename(posixpath.dirname(manifest)))
    for place, values in json_lines(manifest, where.described.read(manifest)):
        path = text_of(place, "audio_filepath", values.get("audio_filepath"))
        if not path:
            raise place.error(COLUMN, "no audio_filepath", "Give each line the path of its file.")
        start = _number(place, values, "offset")
        yield Said(
            place,
            where.path(path, manifest),
            start,
            (_number(place, values, "duration") or 0.0) if start is not None else 0.0,
            text=text_of(place, "text", values.get("text")),
            speaker=_first(place, values, "speaker", "speaker_id"),
            language=language_code(_first(place, values, "lang", "language", "source_lang")),
            dialect=_first(place, values, "dialect", "accent"),
            split=split,
        )


def _number(place: Place, values: dict[str, Any], name: str) -> float | None:
    return None if values.get(name) is None else number(place, name, values[name])


def _first(place: Place, values: dict[str, Any], *names: str) -> str:
    return next((text_of(place, name, values[name]) for name in names if values.get(name) is not None), "")


def _first_line(tree: Tree, path: str) -> bytes:
    try:
        with tree.opened(path) as local, local.open("rb") as file:
            return file.read(_HEAD).split(b"\n", 1)[0]
    except (RefusedFileError, OSError):
        return b""
