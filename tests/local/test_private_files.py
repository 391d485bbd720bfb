"""The two files of `var` that hold addresses and secrets."""

from pathlib import Path

import pytest

from earmark.local import credentials, environment
from earmark.speech.errors import EarmarkError


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_settings_come_back_as_saved_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    assert environment.load(tmp_path) == {}
    environment.save(tmp_path, {"SECRET_KEY": "ключ", "EARMARK_VAR": str(tmp_path)})
    assert environment.load(tmp_path) == {"SECRET_KEY": "ключ", "EARMARK_VAR": str(tmp_path)}
    assert _mode(tmp_path / "local.json") == 0o600
    environment.forget(tmp_path)
    assert environment.load(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["{", "[]", "\x00"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "local.json").write_text(content)
    with pytest.raises(EarmarkError) as caught:
        environment.load(tmp_path)
    assert caught.value.error_id == "local:environment:unreadable"
    assert str(tmp_path / "local.json") in str(caught.value)


def test_credentials_are_made_once_for_each_folder(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    made = credentials.load_or_create(one)
    assert credentials.load_or_create(one) == made
    assert _mode(one / "secrets.json") == 0o600
    elsewhere = credentials.load_or_create(other)
    for name in ("secret_key", "webhook_secret", "postgres_password", "admin_password", "label_studio_token"):
        assert getattr(made, name) != getattr(elsewhere, name)
        assert len(getattr(made, name)) >= 24


def test_label_studio_accepts_the_length_of_its_token(tmp_path: Path) -> None:
    assert len(credentials.load_or_create(tmp_path).label_studio_token) == 40


def test_a_secret_that_a_newer_version_needs_is_added(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"secret_key": "kept"}')
    made = credentials.load_or_create(tmp_path)
    assert made.secret_key == "kept"
    assert credentials.load_or_create(tmp_path) == made
