"""Which files of a folder an import takes, in what order, and which it leaves aside."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from earmark.corpus.manifest import IMPOSSIBLE, LONGEST_NAME, Row
from earmark.speech.errors import EarmarkError

TAKEN = {
    *(
        ".wav",
        ".wave",
        ".flac",
        ".mp3",
        ".ogg",
        ".oga",
        ".opus",
        ".aif",
        ".aifc",
        ".aiff",
        ".au",
        ".snd",
        ".sph",
    ),
    *(".aac", ".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".amr", ".awb", ".wma", ".asf"),
    *(".webm", ".weba", ".mka", ".mkv", ".caf"),
}
AUDIO_NOT_TAKEN = {
    *(".ac3", ".ape", ".dsf", ".dss", ".gsm", ".mp2", ".ra", ".shn", ".spx", ".voc", ".vox", ".wmv", ".wv"),
}
HIDDEN, UNLISTED, NO_SUFFIX = "hidden", "not in the manifest", "no suffix"


@dataclass(frozen=True)
class Listed:
    """The files to bring in, in order, and how many are left aside, by suffix or reason."""

    rows: list[Row]
    left_aside: dict[str, int]


def suffix_of(path: str) -> str:
    """The suffix in small letters, with its dot; empty without one."""
    return PurePosixPath(path).suffix.lower()


def is_audio(path: str) -> bool:
    """Whether the file is audio by its name, of a kind that is taken or of one that is not."""
    return suffix_of(path) in TAKEN or suffix_of(path) in AUDIO_NOT_TAKEN


def is_hidden(path: str) -> bool:
    """Whether a part of the path starts with a dot; `..` leads elsewhere and hides nothing."""
    return any(part.startswith(".") and part != ".." for part in path.split("/"))


def check_folder(folder: Path) -> None:
    """Raise EarmarkError `corpus:import:no-folder` unless `folder` is one, under a name that can be written down."""
    if len(str(folder)) > LONGEST_NAME or IMPOSSIBLE.search(str(folder)) or not folder.is_dir():
        raise EarmarkError(
            "corpus:import:no-folder",
            f"{str(folder)!r} is not a folder that can be read here.",
            "Give a folder that the worker of the queue cpu can read, under the same path.",
        )


def walk(folder: Path, aside: Counter[str]) -> Iterator[str]:
    """Paths of files below `folder`, in order of their parts; what is hidden is counted in `aside`.

    Links to folders are not followed.
    """
    for place, folders, files in os.walk(folder):
        aside[HIDDEN] += sum(name.startswith(".") for name in (*folders, *files))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield (Path(place) / name).relative_to(folder).as_posix()


def chosen(files: Iterable[str], known: Mapping[str, Row] | None, aside: Counter[str]) -> list[Row]:
    """A row for each file that is audio by its name; where files are listed, for each that is, in the same order.

    What is left aside is counted in `aside`. What is listed and not there comes last: its absence goes on record.
    """
    rows, left = [], dict(known or {})
    for path in files:
        if path in left:
            rows.append(left.pop(path))
        elif not is_audio(path):
            aside[suffix_of(path) or NO_SUFFIX] += 1
        elif known is None:
            rows.append(Row(path))
        else:
            aside[UNLISTED] += 1
    return rows + list(left.values())
