"""A platform of its own for a benchmark: real PostgreSQL and Redis, an empty database, a folder for the audio."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from earmark.local.stack import Stack


@contextmanager
def platform(*, durable: bool = True) -> Iterator[Path]:
    """Django, set up on services that end with the block; yields a folder that is gone then."""
    with tempfile.TemporaryDirectory(prefix="earmark-benchmark-") as folder:
        var = Path(folder)
        with Stack(var=var / "var", services={"postgres", "redis"}, durable=durable) as stack:
            media = {"EARMARK_VAR": str(var / "var"), "EARMARK_MEDIA": str(var / "media")}
            os.environ.update({**stack.environment, **media})
            os.environ["DJANGO_SETTINGS_MODULE"] = "earmark.config.settings"
            django.setup()
            from django.core.management import call_command
            from django.db import connections

            call_command("migrate", verbosity=0)
            try:
                yield var
            finally:
                connections.close_all()
