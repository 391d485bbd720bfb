"""Look at one file and say what it is: worth keeping, here already, or refused with a reason. Writes no row."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from earmark.corpus import stored
from earmark.corpus.listing import AUDIO_NOT_TAKEN, suffix_of
from earmark.corpus.manifest import Row
from earmark.corpus.pieces import Asked, Piece, pieces_of
from earmark.speech import audio_faults
from earmark.speech.decoding import check_worth_keeping
from earmark.speech.errors import EarmarkError
from earmark.speech.surveyed import SurveyedFile

SUFFIX = {
    **{"WAV": ".wav", "WAVEX": ".wav", "RF64": ".wav", "FLAC": ".flac", "MP3": ".mp3", "OGG": ".ogg"},
    **{"AIFF": ".aiff", "AU": ".au", "CAF": ".caf", "NIST": ".sph", "MP4": ".m4a", "WEBM": ".webm"},
    **{"AAC": ".aac", "AMR": ".amr", "ASF": ".wma"},
}


@dataclass(frozen=True)
class Kept:
    """A file that is in the storage as `name`, surveyed, with what its clips are to be.

    Bytes that were there before may be forgotten by whoever kept them, until they are recorded again.
    """

    row: Row
    sha256: str
    bytes: int
    found: SurveyedFile
    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...]
    name: str
    was_there: bool = False


@dataclass(frozen=True)
class Duplicate:
    """A file whose bytes are in the collection already, or came earlier in the same import."""

    row: Row
    sha256: str


@dataclass(frozen=True)
class Refused:
    """A file that is not kept, and why."""

    row: Row
    error: EarmarkError


Arrival = Kept | Duplicate | Refused


@dataclass(frozen=True)
class Hashed:
    """A file that is at `path` for now, has bytes, and is known by them."""

    row: Row
    path: Path
    sha256: str
    bytes: int


def hash_file(path: Path, row: Row) -> Hashed | Refused:
    """Know the file by its bytes. What is no regular file, is empty or cannot be read is refused."""
    suffix = suffix_of(row.path)
    if suffix in AUDIO_NOT_TAKEN:
        return _refused(row, audio_faults.UNSUPPORTED, f"is audio of a kind that is not taken ({suffix})")
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            return _refused(row, audio_faults.UNREADABLE, "is not a file")
        if not state.st_size:
            return _refused(row, audio_faults.EMPTY, "is empty")
        return Hashed(row, path, stored.sha256_of(path), state.st_size)
    except OSError as error:
        return _refused(row, audio_faults.MISSING, f"cannot be read ({error.strerror})")


def keep(file: Hashed, found: SurveyedFile | EarmarkError, asked: Asked) -> Kept | Refused:
    """Keep the bytes of a surveyed file, if there is something to hear.

    Raises EarmarkError `corpus:storage:refused` or `corpus:storage:unreachable` when the fault is not the file's.
    """
    name = shown(file.row.path)
    if isinstance(found, EarmarkError):
        return Refused(file.row, found)
    place = stored_name(file.sha256, found.format)
    try:
        check_worth_keeping(found, name)
        was_there = not stored.keep_file(place, file.path, sha256=file.sha256)
    except stored.UnreachableError:
        raise
    except EarmarkError as error:
        return Refused(file.row, error)
    except OSError as error:
        raise EarmarkError(
            "corpus:storage:refused",
            f"The storage did not take {name!r}: {error}.",
            "Make room there, or check EARMARK_MEDIA and who may write to it; then import again.",
        ) from error
    pieces, left_out = pieces_of(file.row, found, asked)
    return Kept(file.row, file.sha256, file.bytes, found, pieces, left_out, place, was_there)


def stored_name(sha256: str, audio_format: str) -> str:
    """Where in the storage a recording's bytes are, whatever they were called."""
    return f"recordings/{sha256[:2]}/{sha256}{SUFFIX.get(audio_format.split()[0], '.media')}"


def shown(path: str) -> str:
    """A path as text that any database and any page can hold: bytes that are no UTF-8 are written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _refused(row: Row, error_id: str, reason: str) -> Refused:
    message = f"{shown(row.path)!r} {reason}."
    return Refused(row, EarmarkError(error_id, message, audio_faults.HINTS[error_id]))
