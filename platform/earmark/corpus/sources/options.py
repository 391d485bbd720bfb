"""What an import is asked for beside its source, as it is stored with the import."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from earmark.corpus.sources.archives import is_archive
from earmark.corpus.sources.layouts import LAYOUTS
from earmark.corpus.sources.speakers import pattern
from earmark.speech.errors import EarmarkError


class Kind(StrEnum):
    """What holds the files."""

    FOLDER = "folder"
    ARCHIVE = "archive"
    S3 = "s3"


class Channels(StrEnum):
    """What becomes of a file of several channels: their mean, the first alone, or each a voice of its own."""

    MIX = "mix"
    FIRST = "first"
    SPLIT = "split"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked. An empty `layout` is audio files, unless what is there looks like a layout.

    `manifest` is a path on the worker's machine: our own manifest for the layout `files`, and for the others the file
    or folder that describes the audio, where it is not the source itself.
    """

    kind: Kind = Kind.FOLDER
    layout: str = ""
    manifest: str = ""
    speaker_from: str = ""
    channels: Channels = Channels.MIX

    def as_json(self) -> dict[str, str]:
        """What is stored: only what differs from the defaults, and the kind."""
        return {name: str(value) for name, value in asdict(self).items() if value or name == "kind"}

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "Options":
        """What `as_json` stored; names that are not options are left to others."""
        known = {name: str(stored[name]) for name in Options.__dataclass_fields__ if name in stored}
        kind, channels = Kind(known.pop("kind", "folder")), Channels(known.pop("channels", "mix"))
        return Options(kind=kind, channels=channels, **known)

    @staticmethod
    def asked(
        source: str,
        *,
        layout: str = "",
        manifest: Path | None = None,
        speaker_from: str = "",
        channels: str = "mix",
    ) -> "Options":
        """What a person asked for `source`: a folder, an archive, or `s3://bucket/prefix`.

        Raises EarmarkError `corpus:import:option` or `corpus:import:pattern`.
        """
        if layout and layout not in LAYOUTS:
            raise _unknown("layout", layout, LAYOUTS)
        if channels not in list(Channels):
            raise _unknown("channels", channels, Channels)
        if speaker_from:
            pattern(speaker_from)
        return Options(
            kind=_kind(source),
            layout=layout,
            manifest=str(manifest.absolute()) if manifest else "",
            speaker_from=speaker_from,
            channels=Channels(channels),
        )


def _kind(source: str) -> Kind:
    if source.startswith("s3://"):
        return Kind.S3
    return Kind.ARCHIVE if is_archive(source) and not Path(source).is_dir() else Kind.FOLDER


def _unknown(name: str, value: str, known: Any) -> EarmarkError:
    message = f"{value!r} is not known as {name}."
    return EarmarkError("corpus:import:option", message, f"Use one of {', '.join(known)}.")
