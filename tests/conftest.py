"""What every test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from django.conf import settings
from django.test import override_settings

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own for what a test stores."""
    folder = tmp_path_factory.mktemp("media")
    storages = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": {"location": str(folder)}}}
    with override_settings(STORAGES=storages):
        yield folder
