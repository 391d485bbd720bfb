"""Folders for stacks of their own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def stack_folders() -> Iterator[Path]:
    """Not below pytest's own folder, which every new run of it closes to other accounts: PostgreSQL's, under root."""
    with tempfile.TemporaryDirectory(prefix="earmark-stack-") as folder:
        yield Path(folder)


@pytest.fixture
def stack_var(stack_folders: Path) -> Path:
    """A new `var` for a stack."""
    return Path(tempfile.mkdtemp(dir=stack_folders))
