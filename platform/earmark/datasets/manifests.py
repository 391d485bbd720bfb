"""The manifest of a snapshot: canonical JSON lines whose SHA-256 is the snapshot's digest (`sha256sum` agrees)."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import default_storage

from earmark.corpus import stored
from earmark.datasets.models import Snapshot

CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def manifest_name(digest: str) -> str:
    """Where in the default storage the manifest of the snapshot with that digest lies."""
    return f"snapshots/{digest}.jsonl"


def open_manifest(snapshot: Snapshot) -> File:
    """The stored manifest, open for reading bytes."""
    return default_storage.open(manifest_name(snapshot.digest), "rb")


def line(row: dict[str, Any]) -> bytes:
    """One line: keys in order, no spaces, UTF-8, a newline at its end."""
    return CANONICAL.encode(row).encode() + b"\n"


def write(rows: Iterable[dict[str, Any]], file: IO[bytes]) -> str:
    """Write a line for each row; returns the SHA-256 of what was written, in hexadecimal."""
    digest = hashlib.sha256()
    for row in rows:
        data = line(row)
        digest.update(data)
        file.write(data)
    file.flush()
    return digest.hexdigest()


def store(path: Path, digest: str) -> None:
    """Keep the manifest at `path` under its digest, whole or not at all, unless it is there."""
    stored.keep_file(manifest_name(digest), path, sha256=digest)
