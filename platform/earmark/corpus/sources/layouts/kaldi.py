"""Kaldi data directories: `wav.scp`, and beside it `text`, `utt2spk`, `utt2lang`, `segments`.

https://kaldi-asr.org/doc/data_prep.html. Commands in `wav.scp` are never run.
"""

import math
import posixpath
import re
from collections.abc import Iterator, Sequence

from earmark.corpus.manifest import FORMAT, VALUE, Place, utf8
from earmark.corpus.sources.layouts.described import Described, Said, Where, described, number, pipe
from earmark.corpus.sources.naming import language_code, side_of
from earmark.corpus.sources.trees import RefusedFileError, Tree, shown
from earmark.speech import audio_faults

_IN_ARCHIVE = re.compile(r":\d+$")


def finds(tree: Tree, files: Sequence[str]) -> list[str]:
    """Each `wav.scp`: one for each data directory."""
    return [path for path in files if posixpath.basename(path) == "wav.scp"]


def read(where: Where, found: list[str]) -> Described:
    """What the data directories say. Raises EarmarkError `corpus:manifest:...`."""
    said: list[Said] = []
    refused: list[tuple[str, RefusedFileError]] = []
    for scp in found:
        said += _directory(where, scp, refused)
    return described(said, refused)


def _directory(where: Where, scp: str, refused: list[tuple[str, RefusedFileError]]) -> Iterator[Said]:
    folder = posixpath.dirname(scp)
    tables = {
        name: _table(where.described, posixpath.join(folder, name))
        for name in ("text", "utt2spk", "utt2lang")
    }
    split = side_of(posixpath.basename(folder) or posixpath.basename(where.outer))
    recordings: dict[str, tuple[Place, str]] = {}
    for place, name, value in _lines(where.described, scp):
        path = value.rstrip()
        if path.endswith("|"):
            refused.append(pipe(path, name))
            path = refused[-1][0]
        elif _IN_ARCHIVE.search(path):
            refused.append(_in_archive(path, name))
        else:
            path = where.path(path, scp)
        recordings[name] = place, path
    segments = posixpath.join(folder, "segments")
    stretches = _segments(where.described, segments, recordings) if where.described.has(segments) else None
    for place, name, path, start, seconds in stretches or _whole(recordings):
        speaker = tables["utt2spk"].get(name, "")
        yield Said(
            place,
            path,
            start,
            seconds,
            text=tables["text"].get(name, ""),
            speaker="" if speaker == name else speaker,
            language=language_code(tables["utt2lang"].get(name, "")),
            split=split,
        )


_Stretch = tuple[Place, str, str, float | None, float]


def _whole(recordings: dict[str, tuple[Place, str]]) -> Iterator[_Stretch]:
    for name, (place, path) in recordings.items():
        yield place, name, path, None, 0.0


def _segments(tree: Tree, path: str, recordings: dict[str, tuple[Place, str]]) -> Iterator[_Stretch]:
    """`utterance recording start end`; an end of -1 is the recording's. A recording without one comes whole."""
    left = dict(recordings)
    for place, name, value in _lines(tree, path):
        fields = value.split()
        if len(fields) != 3:
            raise place.error(
                FORMAT, f"{len(fields) + 1} fields instead of 4", "Write: utterance recording start end."
            )
        if fields[0] not in recordings:
            what = f"{fields[0]!r} is not in wav.scp"
            raise place.error(VALUE, what, "Add it there, or leave the segment out.")
        left.pop(fields[0], None)
        start, end = number(place, "start", fields[1]), number(place, "end", fields[2])
        yield place, name, recordings[fields[0]][1], start, math.inf if end == -1 else end - start
    yield from _whole(left)


def _table(tree: Tree, path: str) -> dict[str, str]:
    return {name: value for _, name, value in _lines(tree, path)} if tree.has(path) else {}


def _lines(tree: Tree, path: str) -> Iterator[tuple[Place, str, str]]:
    """(place, first field, the rest) of each line that is not blank."""
    for line, text in enumerate(utf8(path, tree.read(path)).split("\n"), start=1):
        fields = text.split(maxsplit=1)
        if fields:
            yield Place(path, line), fields[0], fields[1].strip() if len(fields) == 2 else ""


def _in_archive(path: str, name: str) -> tuple[str, RefusedFileError]:
    message = f"{name!r} is inside an archive of Kaldi's, {shown(path)[:200]!r}."
    return path, RefusedFileError(
        audio_faults.UNSUPPORTED, message, "Write it out as a file of its own (wav-copy), and name that."
    )
