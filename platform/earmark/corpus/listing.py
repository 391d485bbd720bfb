"""Which files of a folder an import takes, in what order, and which it leaves aside."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from earmark.corpus.manifest import IMPOSSIBLE, LONGEST_NAME, Row
from earmark.speech.errors import EarmarkError

TAKEN = {".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus"}
AUDIO_NOT_TAKEN = {
    *(".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".dsf", ".m4a", ".m4b"),
    *(".mka", ".mp2", ".ra", ".shn", ".snd", ".sph", ".spx", ".voc", ".weba", ".wma", ".wv"),
}
HIDDEN, UNLISTED, NO_SUFFIX = "hidden", "not in the manifest", "no suffix"


@dataclass(frozen=True)
class Listed:
    """The files to bring in, in order, and how many are left aside, by suffix or reason."""

    rows: list[Row]
    left_aside: dict[str, int]


def list_files(folder: Path, manifest: dict[str, Row] | None) -> Listed:
    """Every file below `folder` that is audio by its name; with a manifest, every file it lists and no other.

    In the order of their paths. Hidden files and folders are left aside, links to folders are not followed. Audio of
    a kind that is not taken is listed, so that its refusal is on record. Raises EarmarkError
    `corpus:import:no-folder`.
    """
    check_folder(folder)
    aside: Counter[str] = Counter()
    rows = []
    for path in _walk(folder, aside):
        suffix = PurePosixPath(path).suffix.lower()
        if suffix not in TAKEN and suffix not in AUDIO_NOT_TAKEN:
            aside[suffix or NO_SUFFIX] += manifest is None or path not in manifest
        elif manifest is None:
            rows.append(Row(path))
        else:
            aside[UNLISTED] += path not in manifest
    if manifest is not None:
        rows = [manifest[path] for path in sorted(manifest, key=_parts)]
    return Listed(rows, {name: count for name, count in sorted(aside.items()) if count})


def check_folder(folder: Path) -> None:
    """Raise EarmarkError `corpus:import:no-folder` unless `folder` is one, under a name that can be written down."""
    if len(str(folder)) > LONGEST_NAME or IMPOSSIBLE.search(str(folder)) or not folder.is_dir():
        raise EarmarkError(
            "corpus:import:no-folder",
            f"{str(folder)!r} is not a folder that can be read here.",
            "Give a folder that the worker of the queue cpu can read, under the same path.",
        )


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts


def _walk(folder: Path, aside: Counter[str]) -> Iterator[str]:
    """Paths of files below `folder`, in order of their parts; what is hidden is counted."""
    for place, folders, files in os.walk(folder):
        aside[HIDDEN] += sum(name.startswith(".") for name in (*folders, *files))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield (Path(place) / name).relative_to(folder).as_posix()
