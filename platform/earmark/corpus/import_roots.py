"""Which folders of the servers may be imported from the site: the command line needs no such list."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from earmark.speech.errors import EarmarkError


def allowed_source(*, source: str, manifest: str = "", **more: Any) -> dict[str, Any]:
    """The arguments of `submit_ingest`; which buckets are allowed it asks itself.

    Raises EarmarkError `corpus:import:not-allowed`.
    """
    place: str | Path = source if source.startswith("s3://") else allowed(source)
    return {**more, "source": place, "manifest": allowed(manifest) if manifest else None}


def allowed(path: str) -> Path:
    """`path`, if it lies below one of EARMARK_IMPORT_ROOTS once its links are followed.

    Raises EarmarkError `corpus:import:not-allowed`, whether or not there is such a path.
    """
    roots = [Path(os.path.realpath(root)) for root in settings.EARMARK.import_roots]
    real = Path(os.path.realpath(path)) if path.startswith("/") and "\0" not in path else None
    if real is None or not any(real.is_relative_to(root) for root in roots):
        raise EarmarkError(
            "corpus:import:not-allowed",
            _("{path} is not below a folder that may be imported from here.").format(path=repr(path)),
            _(
                "Who runs the platform may add a folder to EARMARK_IMPORT_ROOTS, or import from the command line."
            ),
        )
    return real
