"""What every test may ask for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from django.conf import settings
from django.test import override_settings
from hypothesis import HealthCheck
from hypothesis import settings as properties

from earmark.config.environment import Environment
from tests.object_store import s3_account, s3_bucket, s3_server
from tests.services import STACK

__all__ = ["s3_account", "s3_bucket", "s3_server"]

torch.set_num_threads(1)
# how long an example takes says how busy the machine is, and nothing about what is tested
properties.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("any machine")


@pytest.fixture(autouse=True)
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own for what a test stores."""
    folder = tmp_path_factory.mktemp("media")
    default = {**settings.STORAGES["default"], "OPTIONS": {"location": str(folder)}}
    with override_settings(STORAGES={**settings.STORAGES, "default": default}):
        yield folder


@pytest.fixture(autouse=True)
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A `var` of its own for job folders and models."""
    folder = tmp_path_factory.mktemp("var")
    with override_settings(EARMARK=replace(settings.EARMARK, var=folder)):
        yield folder


@pytest.fixture(scope="session")
def running_label_studio() -> str:
    """Start Label Studio once for the whole run; its address."""
    STACK.add("label-studio")
    return STACK.environment["LABEL_STUDIO_URL"]


@pytest.fixture
def label_studio(running_label_studio: str, var: Path) -> Iterator[Environment]:
    """The settings of a platform that has a real Label Studio."""
    told = replace(
        settings.EARMARK,
        label_studio_url=running_label_studio,
        label_studio_public_url=running_label_studio,
        label_studio_api_key=STACK.environment["LABEL_STUDIO_API_KEY"],
    )
    with override_settings(EARMARK=told):
        yield told
