"""Where recordings, clips, exports and manifests are kept: a folder, or a bucket."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from earmark.speech.errors import EarmarkError

MOST_IN_MEMORY = 8 << 20
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def media_storage(media: str, *, endpoint: str = "") -> dict[str, Any]:
    """The entry of STORAGES for `media`: a folder, or `s3://bucket/prefix` at `endpoint` ("": Amazon's).

    Raises EarmarkError `config:media:address` for what is neither.
    """
    if "://" not in media:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(Path(media).absolute())},
        }
    address = urlsplit(media)
    if address.scheme != "s3" or not BUCKET.fullmatch(address.netloc) or address.query or address.fragment:
        raise EarmarkError(
            "config:media:address",
            f"EARMARK_MEDIA is {media!r}, which is neither a folder nor s3://bucket/prefix.",
            "Name a folder, or a bucket that is there already and a prefix in it.",
        )
    options: dict[str, Any] = {
        "bucket_name": address.netloc,
        "location": address.path.strip("/"),
        "file_overwrite": False,
        "default_acl": None,
        "signature_version": "s3v4",
        "max_memory_size": MOST_IN_MEMORY,
    }
    if endpoint:
        options |= {"endpoint_url": endpoint, "addressing_style": "path"}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
