"""The Hugging Face AudioFolder layout in one zip: a folder a split, each with its audio and a `metadata.jsonl`.

https://huggingface.co/docs/datasets/audio_dataset#audiofolder: `metadata.jsonl` names each file in `file_name`,
relative to itself; folder names `train`, `validation` and `test` become the splits.
"""

import json
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from earmark.corpus.models import Split
from earmark.speech.audio import write_flac

FOLDERS = {Split.TRAIN: "train", Split.DEV: "validation", Split.TEST: "test"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""One date for every file, so that the same clips make the same bytes."""


class AudioFolder:
    """A zip under construction: `add` clips, then leave the `with` block to write what is said of them."""

    def __init__(self, path: Path, *, about: str) -> None:
        self._open = ExitStack()
        self._zip = self._open.enter_context(zipfile.ZipFile(path, "w"))
        self._metadata: dict[str, IO[bytes]] = {}
        self._zip.writestr(_entry("README.md", zipfile.ZIP_DEFLATED), about)

    def __enter__(self) -> "AudioFolder":
        return self

    def add(self, described: dict[str, Any], samples: np.ndarray) -> None:
        """Write one clip's audio as 16-bit FLAC (float32 [n] mono at 16 kHz in) and keep what is said of it."""
        folder = FOLDERS[Split(described["split"])]
        name = f"clip-{described['id']}.flac"
        self._zip.writestr(_entry(f"{folder}/{name}", zipfile.ZIP_STORED), write_flac(samples))
        said = {key: value for key, value in described.items() if key not in ("text", "split")}
        line = {"file_name": name, "transcription": described["text"], **said}
        if folder not in self._metadata:
            self._metadata[folder] = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  closed by the stack
        self._metadata[folder].write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            for folder, metadata in self._metadata.items() if error is None else ():
                self._write_metadata(f"{folder}/metadata.jsonl", metadata)

    def _write_metadata(self, name: str, metadata: IO[bytes]) -> None:
        metadata.seek(0)
        with self._zip.open(_entry(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as target:
            shutil.copyfileobj(metadata, target)


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, LONG_AGO)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry
