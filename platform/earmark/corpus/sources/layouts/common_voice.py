"""Common Voice: `validated.tsv`, `train.tsv`, `dev.tsv` and `test.tsv` beside a folder `clips`.

https://github.com/common-voice/cv-dataset. `invalidated.tsv` and `other.tsv` are left aside: nobody has vouched for
what they say. A `client_id` is cut to 32 of its 128 figures.
"""

import posixpath
from collections.abc import Iterator, Sequence

from earmark.corpus.manifest import COLUMN, FORMAT, LONGEST, csv_lines
from earmark.corpus.sources.layouts.described import Described, Said, Where, described
from earmark.corpus.sources.naming import language_code
from earmark.corpus.sources.trees import Tree

_TABLES = {"test.tsv": "test", "dev.tsv": "dev", "train.tsv": "train", "validated.tsv": ""}
_ID_FIGURES = 32


def finds(tree: Tree, files: Sequence[str]) -> list[str]:
    """The tables that lie beside a folder `clips`, those of a split first."""
    with_clips = {
        posixpath.dirname(folder) for folder in map(posixpath.dirname, files) if folder.endswith("clips")
    }
    tables = [
        path
        for path in files
        if posixpath.basename(path) in _TABLES and posixpath.dirname(path) in with_clips
    ]
    return sorted(
        tables, key=lambda path: (posixpath.dirname(path), [*_TABLES].index(posixpath.basename(path)))
    )


def read(where: Where, found: list[str]) -> Described:
    """What the tables say; a file in several is taken from the first. Raises EarmarkError `corpus:manifest:...`."""
    seen: dict[str, Said] = {}
    for table in found:
        for said in _table(where, table):
            seen.setdefault(said.path, said)
    return described(seen.values())


def _table(where: Where, table: str) -> Iterator[Said]:
    names: list[str] = []
    split = _TABLES[posixpath.basename(table)]
    for place, fields in csv_lines(table, where.described.read(table), "\t", is_quoted=False):
        if not names:
            names = [name.strip() for name in fields]
            if missing := {"path", "client_id", "sentence"} - set(names):
                raise place.error(
                    COLUMN, f"no column {min(missing)!r}", "Take the table as Common Voice made it."
                )
            continue
        if len(fields) != len(names):
            what = f"{len(fields)} fields where line 1 names {len(names)} columns"
            raise place.error(FORMAT, what, "Take the table as Common Voice made it.")
        values = dict(zip(names, fields, strict=True))
        path = posixpath.join("clips", values["path"]) if values["path"] else ""
        yield Said(
            place,
            where.path(posixpath.join(posixpath.dirname(table), path), table),
            text=values["sentence"],
            speaker=values["client_id"][:_ID_FIGURES],
            language=language_code(values.get("locale", "")),
            dialect=_dialect(values),
            split=split,
            licence="CC0-1.0",
        )


def _dialect(values: dict[str, str]) -> str:
    """The variant, or the first of the accents, as far as it fits."""
    told = values.get("variant") or values.get("accents") or values.get("accent") or ""
    return told if len(told) <= LONGEST["dialect"] else told.split(",")[0][: LONGEST["dialect"]]
