"""Files that came over the network, laid in a folder of their own until the ingest job has read them."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from earmark.speech.errors import EarmarkError

CLEAR_AFTER_SECONDS = 600.0
MANIFEST_ENDINGS = frozenset({".csv", ".jsonl"})


@dataclass(frozen=True)
class Upload:
    """Where the files of one request lie; the manifest is beside their folder, so that it is no audio file."""

    name: str
    folder: Path
    manifest: Path | None


@contextmanager
def laid_down(files: Sequence[UploadedFile], manifest: UploadedFile | None) -> Iterator[Upload]:
    """Write the files below EARMARK_VAR, which site and workers share; gone again when the block raises.

    Raises EarmarkError `api:upload:name` for a name that is a path or comes twice, `api:upload:manifest` for
    a manifest that is neither CSV nor JSONL.
    """
    names = [safe_name(file) for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EarmarkError(
            "api:upload:name",
            _("These names come twice in one upload: {names}.").format(names=", ".join(twice)),
            _("Give each file its own name."),
        )
    ending = Path(safe_name(manifest)).suffix.lower() if manifest else ""
    if manifest and ending not in MANIFEST_ENDINGS:
        raise EarmarkError(
            "api:upload:manifest",
            _("The manifest {name} is neither .csv nor .jsonl.").format(name=repr(manifest.name)),
            _("Send CSV with a header line, or one JSON object per line."),
        )
    upload = uuid4().hex
    home = home_of(upload)
    try:
        (home / "audio").mkdir(parents=True)
        for name, file in zip(names, files, strict=True):
            _write(file, home / "audio" / name)
        if manifest:
            _write(manifest, home / f"manifest{ending}")
        yield Upload(upload, home / "audio", home / f"manifest{ending}" if manifest else None)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def home_of(upload: str) -> Path:
    """The folder of the upload of that name, which is a UUID in hexadecimal."""
    return settings.EARMARK.var / "uploads" / UUID(upload).hex


def clear(upload: str) -> None:
    """Remove what was laid down for `upload`; nothing there is nothing to do."""
    home = home_of(upload)
    if home.exists():
        shutil.rmtree(home)


def safe_name(file: UploadedFile) -> str:
    """The name, if it is one: no path, no NUL, not `..`, at most 200 bytes. Raises EarmarkError `api:upload:name`."""
    name = file.name or ""
    is_plain = name not in {"", ".", ".."} and not set(name) & {"/", "\\", "\0"} and len(name.encode()) <= 200
    if not is_plain:
        raise EarmarkError(
            "api:upload:name",
            _("{name} is not a plain file name.").format(name=repr(name)),
            _("Send names of at most 200 bytes with no folder in them."),
        )
    return name


def _write(file: UploadedFile, to: Path) -> None:
    with to.open("wb") as target:
        for chunk in file.chunks():
            target.write(chunk)
