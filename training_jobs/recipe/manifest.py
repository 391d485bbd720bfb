"""The clips of a training job, one JSON object a line."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earmark.speech.audio import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS
from earmark.speech.errors import EarmarkError


@dataclass(frozen=True, kw_only=True)
class ClipEntry:
    """One clip: `seconds` of the file `audio` (absolute, or relative to the job folder) from second `start`.

    `text` is the reference of a labelled or dev clip and empty for an unlabelled one; `weight` (over 0) says
    how much a labelled clip counts in the loss.
    """

    id: str
    audio: str
    seconds: float
    start: float = 0.0
    text: str = ""
    language: str = ""
    dialect: str = ""
    weight: float = 1.0


_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str,), "audio": (str,), "text": (str,), "language": (str,), "dialect": (str,),
    "seconds": (int, float), "start": (int, float), "weight": (int, float),
}  # fmt: skip


def write_manifest(path: Path, entries: Iterable[ClipEntry]) -> int:
    """Write `entries` to `path`; returns how many there were."""
    lines = [json.dumps(asdict(entry), ensure_ascii=False) for entry in entries]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def read_manifest(path: Path, *, with_text: bool) -> list[ClipEntry]:
    """The clips of a manifest, in its order.

    Raises EarmarkError: `training:data:manifest` for a missing file or a bad line,
    `training:data:missing-text` for a clip without text where `with_text`, `training:data:clip-length` for
    one too short or too long to train on, `training:data:duplicate` for an id that comes twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EarmarkError(
            "training:data:manifest",
            f"The manifest {path} cannot be read: {error}.",
            "Write the job folder again.",
        ) from error
    entries = [
        _entry(line, f"{path.name} line {number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    seen: set[str] = set()
    for entry in entries:
        _check(entry, path.name, with_text=with_text)
        if entry.id in seen:
            raise _bad(entry, path.name, "duplicate", "comes twice")
        seen.add(entry.id)
    return entries


def _entry(line: str, where: str) -> ClipEntry:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise _bad_line(where, f"is not JSON ({error})") from error
    if not isinstance(values, dict):
        raise _bad_line(where, "is not a JSON object")
    for name in ("id", "audio", "seconds"):
        if name not in values:
            raise _bad_line(where, f"lacks {name!r}")
    known: dict[str, Any] = {name: value for name, value in values.items() if name in _KINDS}
    for name, value in known.items():
        if not isinstance(value, _KINDS[name]) or isinstance(value, bool):
            raise _bad_line(where, f"has {value!r} for {name!r}")
    return ClipEntry(**known)


def _check(entry: ClipEntry, name: str, *, with_text: bool) -> None:
    if with_text and not entry.text.strip():
        raise _bad(entry, name, "missing-text", "has no text")
    if not MIN_CLIP_SECONDS <= entry.seconds <= MAX_CLIP_SECONDS:
        raise _bad(
            entry,
            name,
            "clip-length",
            f"lasts {entry.seconds:g} s; {MIN_CLIP_SECONDS:g} to {MAX_CLIP_SECONDS:g} s can be trained on",
        )
    if entry.start < 0 or not entry.weight > 0:
        raise _bad(entry, name, "manifest", f"has start {entry.start:g} and weight {entry.weight:g}")


def _bad(entry: ClipEntry, name: str, kind: str, reason: str) -> EarmarkError:
    return EarmarkError(
        f"training:data:{kind}", f"Clip {entry.id!r} of {name} {reason}.", "Leave it out of the training job."
    )


def _bad_line(where: str, reason: str) -> EarmarkError:
    return EarmarkError("training:data:manifest", f"{where} {reason}.", "Write the job folder again.")
