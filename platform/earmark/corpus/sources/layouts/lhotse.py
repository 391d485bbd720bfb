"""Lhotse manifests: recordings and supervisions, or cuts, as JSONL, gzipped or not.

https://lhotse.readthedocs.io/en/latest/corpus.html. Only recordings that are files as they lie there are taken.
"""

import gzip
import io
import posixpath
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from earmark.corpus.manifest import FORMAT, VALUE, Place, json_lines
from earmark.corpus.sources.layouts.described import (
    Described,
    Said,
    Where,
    address,
    described,
    number,
    pipe,
    text_of,
)
from earmark.corpus.sources.naming import language_code, side_of
from earmark.corpus.sources.trees import LARGEST_TEXT, RefusedFileError, Tree, shown, too_large
from earmark.speech import audio_faults

_KINDS = ("recordings", "supervisions", "cuts")
_WHOLE = 0.02
_Refused = list[tuple[str, RefusedFileError]]


def finds(tree: Tree, files: Sequence[str]) -> list[str]:
    """Manifests by their names, where there are cuts, or both recordings and supervisions."""
    found = [path for path in files if _kind(path)]
    kinds = {_kind(path) for path in found}
    if "recordings" in kinds and "supervisions" in kinds:
        return [path for path in found if _kind(path) != "cuts"]
    return [path for path in found if _kind(path) == "cuts"] if "cuts" in kinds else []


def read(where: Where, found: list[str]) -> Described:
    """What the manifests say. Raises EarmarkError `corpus:manifest:...`."""
    refused: _Refused = []
    recordings: dict[str, tuple[Place, dict[str, Any], str, str]] = {}
    said: list[Said] = []
    for manifest in sorted(found, key=lambda path: _KINDS.index(_kind(path))):
        split = side_of(posixpath.basename(manifest).split(".")[0].replace(_kind(manifest), ""))
        for place, values in json_lines(manifest, _text(where.described, manifest)):
            match _kind(manifest):
                case "recordings":
                    name, path = _recording(where, place, values, manifest, refused)
                    recordings[name] = place, values, path, split
                case "supervisions":
                    said.append(_supervision(place, values, recordings))
                case _:
                    said += _cut(where, place, values, manifest, split, refused)
    heard = {one.path for one in said}
    said += [
        Said(place, path, split=split) for place, _, path, split in recordings.values() if path not in heard
    ]
    return described(_each_once(said), refused)


def _kind(path: str) -> str:
    """`recordings`, `supervisions` or `cuts` by the name; empty for none."""
    name = posixpath.basename(path).lower()
    if not name.endswith((".jsonl", ".jsonl.gz")):
        return ""
    return next((kind for kind in _KINDS if kind in name), "")


def _text(tree: Tree, path: str) -> bytes:
    data = tree.read(path)
    if not path.endswith(".gz"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(LARGEST_TEXT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Place(path).error(FORMAT, f"no whole gzip file ({error})", "Write it again.") from None
    if len(text) > LARGEST_TEXT:
        raise too_large(path)
    return text


def _recording(
    where: Where, place: Place, values: dict[str, Any], manifest: str, refused: _Refused
) -> tuple[str, str]:
    """(id, path) of a recording; what is no plain file is put among the refused."""
    name, sources = text_of(place, "id", values.get("id")), values.get("sources")
    if (
        not name
        or not isinstance(sources, list)
        or not all(isinstance(one, dict) for one in sources)
        or not sources
    ):
        raise place.error(VALUE, "no recording with an id and sources", "Write it with Lhotse.")
    source, kind = text_of(place, "source", sources[0].get("source")), sources[0].get("type")
    if kind == "command":
        refused.append(pipe(source, name))
        return name, refused[-1][0]
    if kind == "url" or "://" in source:
        refused.append(address(source, name))
        return name, refused[-1][0]
    path = where.path(source, manifest) if kind == "file" else f"{name} ({kind!s:.20})"
    why = ""
    if kind != "file":
        why = f"is kept as {kind!s:.20}"
    elif len(sources) > 1:
        why = f"lies in {len(sources)} files"
    elif values.get("transforms"):
        why = "is meant to be changed as it is read"
    if why:
        hint = "Write it out as one file (Lhotse: save_audios), and import that."
        refused.append(
            (
                path,
                RefusedFileError(
                    audio_faults.UNSUPPORTED, f"{shown(name)!r} {why}, which is not taken.", hint
                ),
            )
        )
    return name, path


def _supervision(
    place: Place, values: dict[str, Any], recordings: dict[str, tuple[Place, dict[str, Any], str, str]]
) -> Said:
    of = text_of(place, "recording_id", values.get("recording_id"))
    if of not in recordings:
        what = f"the recording {of!r} is in no manifest of recordings"
        raise place.error(VALUE, what, "Keep both manifests of a part together.")
    _, recording, path, split = recordings[of]
    return _said(place, values, recording, path, split, at=0.0)


def _cut(
    where: Where, place: Place, values: dict[str, Any], manifest: str, split: str, refused: _Refused
) -> Iterator[Said]:
    """The supervisions of a cut, counted from the start of its recording; without any, the cut itself."""
    kind, name = values.get("type", "MonoCut"), text_of(place, "id", values.get("id"))
    recording = values.get("recording")
    if kind not in ("MonoCut", "MultiCut") or not isinstance(recording, dict):
        hint = "Write it out as one file (Lhotse: save_audios), and import that."
        message = (
            f"The cut {shown(name)!r} is a {kind!s:.30} without a recording of its own, which is not taken."
        )
        refused.append((name, RefusedFileError(audio_faults.UNSUPPORTED, message, hint)))
        yield Said(place, name)
        return
    _, path = _recording(where, place, recording, manifest, refused)
    start = number(place, "start", values.get("start"))
    supervisions = values.get("supervisions") or [
        {"start": 0.0, "duration": values.get("duration"), "channel": values.get("channel")}
    ]
    for one in supervisions:
        if not isinstance(one, dict):
            raise place.error(VALUE, f"{one!r:.60} is no supervision", "Write it with Lhotse.")
        yield _said(place, one, recording, path, split, at=start)


def _said(
    place: Place, values: dict[str, Any], recording: dict[str, Any], path: str, split: str, *, at: float
) -> Said:
    start = at + number(place, "start", values.get("start"))
    seconds = number(place, "duration", values.get("duration"))
    channels = recording.get("channel_ids")
    channel = values.get("channel")
    if isinstance(channel, list):
        channel = channel[0] if len(channel) == 1 else None
    is_one = not isinstance(channels, list) or len(channels) < 2
    total = recording.get("duration")
    is_whole = is_one and start == 0 and isinstance(total, int | float) and abs(total - seconds) < _WHOLE
    custom = values.get("custom")
    return Said(
        place,
        path,
        round(start, 9),
        seconds,
        text=text_of(place, "text", values.get("text")),
        speaker=text_of(place, "speaker", values.get("speaker")),
        language=language_code(text_of(place, "language", values.get("language"))),
        dialect=text_of(place, "dialect", custom.get("dialect")) if isinstance(custom, dict) else "",
        split=split,
        channel=None if is_one or not isinstance(channel, int) else channel,
        is_whole=is_whole,
    )


def _each_once(said: list[Said]) -> list[Said]:
    """Without what is said twice of one stretch, as overlapping cuts do."""
    seen: dict[tuple[object, ...], Said] = {}
    for one in said:
        stretch = one.start if one.start is None else round(one.start, 6)
        seen.setdefault((one.path, stretch, round(one.seconds, 6), one.channel, one.speaker, one.text), one)
    return list(seen.values())
