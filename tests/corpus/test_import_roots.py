"""Which folders of the servers the site may import."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from earmark.corpus.import_roots import allowed, allowed_source
from earmark.speech.errors import EarmarkError


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "audio" / "calls").mkdir(parents=True)
    (tmp_path / "audio-private").mkdir()
    (tmp_path / "audio" / "out").symlink_to(tmp_path / "audio-private")
    with override_settings(EARMARK=replace(settings.EARMARK, import_roots=(str(tmp_path / "audio"),))):
        yield tmp_path / "audio"


def test_what_lies_below_a_root_is_allowed(root: Path) -> None:
    assert allowed(str(root)) == root
    assert allowed(f"{root}/calls/../calls") == root / "calls"
    assert allowed_source(source=f"{root}/calls", manifest=f"{root}/m.csv", layout="nemo") == {
        "source": root / "calls", "manifest": root / "m.csv", "layout": "nemo",
    }  # fmt: skip
    assert allowed_source(source="s3://bucket/x") == {"source": "s3://bucket/x", "manifest": None}


@pytest.mark.parametrize("path", ["{}/..", "{}/out", "{}-private", "/etc", "calls", "", "{}/\0", "s3://b"])
def test_what_leads_out_is_not_whether_it_is_there_or_not(root: Path, path: str) -> None:
    with pytest.raises(EarmarkError) as caught:
        allowed(path.format(root))
    assert caught.value.error_id == "corpus:import:not-allowed"


def test_without_roots_nothing_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(EarmarkError):
        allowed(str(tmp_path))
    with pytest.raises(EarmarkError):
        allowed_source(source="s3://bucket/x", manifest="/etc/passwd")
