"""A platform whose Label Studio is in memory."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.conf import settings
from django.test import override_settings

from annotation import label_studio as seam
from tests.annotation.fake_label_studio import FakeLabelStudio


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> FakeLabelStudio:
    """What `annotation.label_studio.client` opens."""
    fake = FakeLabelStudio()
    monkeypatch.setattr(seam, "client", lambda: fake)
    for module in ("annotation.rounds", "annotation.sync"):
        monkeypatch.setattr(f"{module}.pause", lambda context, seconds: None)
    return fake


@pytest.fixture
def secret() -> Iterator[str]:
    """The webhook's secret, set to something known."""
    with override_settings(EARMARK=replace(settings.EARMARK, webhook_secret="whispered")):
        yield "whispered"
