"""Real PostgreSQL and Redis for the tests, up before Django reads its settings (plugin: `-p tests.services`)."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from earmark.local.stack import Stack

VAR = Path(tempfile.mkdtemp(prefix="earmark-tests-"))
STACK = Stack(var=VAR, services={"postgres", "redis"}, durable=False)

STACK.start()
os.environ.update(STACK.environment)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop what was started, after every other plugin has let go of it."""
    STACK.stop()
    shutil.rmtree(VAR, ignore_errors=True)
