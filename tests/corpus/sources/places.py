"""Sources for the tests: a folder, the same files in archives, and what comes of them."""

import io
import tarfile
import zipfile
from pathlib import Path

from earmark.corpus.manifest import Row
from earmark.corpus.sources import Options, RefusedFileError, Source, source_for


def source_at(place: Path | str, **asked: object) -> Source:
    """The source that an import of `place` with these options would have."""
    return source_for(str(place), Options.asked(str(place), **asked).as_json())  # type: ignore[arg-type]


def rows_of(place: Path | str, **asked: object) -> dict[str, Row]:
    """Its rows by path."""
    with source_at(place, **asked) as source:
        source.check()
        return {row.path: row for row in source.rows().rows}


def brought(source: Source) -> dict[str, bytes | str]:
    """The bytes of each row's file, or the id of its refusal."""
    found: dict[str, bytes | str] = {}
    for row in source.rows().rows:
        try:
            with source.opened(row) as path:
                found[row.path] = path.read_bytes()
        except RefusedFileError as error:
            found[row.path] = error.error_id
        except OSError:
            found[row.path] = "missing"
    return found


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(path.name.rpartition(".")[2], "w")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def laid(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder
