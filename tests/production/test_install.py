"""scripts/install: which wheels it asks uv for, with a uv that only writes down what it was asked."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.local.application import PROJECT

UV = """#!/bin/sh
printf '%s\\n' "$@" >> asked
"""
PYTHON = """#!/bin/sh
[ "$2" = pip ] && [ "$3" = config ] && exec cat configured 2>/dev/null
exit 0
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(PROJECT / "scripts" / "install", tmp_path / "scripts" / "install")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in (("uv", UV), ("python", PYTHON)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return tmp_path


def _asked(checkout: Path, part: str, **settings: str) -> list[str]:
    subprocess.run(
        [str(checkout / "scripts" / "install"), part],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, **settings},
        check=True,
    )
    return (checkout / "asked").read_text().splitlines()


def _after(words: list[str], option: str) -> list[str]:
    return [after for word, after in itertools.pairwise(words) if word == option]


def _wheel(folder: Path) -> Path:
    folder.mkdir()
    (folder / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    return folder


def test_a_wheel_of_torch_at_hand_is_used(checkout: Path) -> None:
    wheels = _wheel(checkout / "wheels")
    words = _asked(checkout, "platform", PIP_FIND_LINKS=str(wheels))
    assert _after(words, "--find-links") == [str(wheels)]
    assert "--torch-backend" not in words
    assert _after(words, "-c") == ["constraints.txt"]
    assert words[-1] == ".[local,gradio,dev]"


def test_without_one_torch_comes_from_its_own_index_for_cpus(checkout: Path) -> None:
    words = _asked(checkout, "platform")
    assert _after(words, "--torch-backend") == ["cpu"]
    assert "--find-links" not in words


def test_other_wheels_do_not_hide_that_there_is_none_of_torch(checkout: Path) -> None:
    (checkout / "others").mkdir()
    words = _asked(checkout, "platform", PIP_FIND_LINKS=f"{checkout / 'others'} https://example.org/wheels")
    assert _after(words, "--find-links") == [str(checkout / "others"), "https://example.org/wheels"]
    assert _after(words, "--torch-backend") == ["cpu"]


def test_pips_own_configuration_counts(checkout: Path) -> None:
    (checkout / "configured").write_text(f"{_wheel(checkout / 'wheels')}\n")
    words = _asked(checkout, "platform")
    assert _after(words, "--find-links") == [str(checkout / "wheels")]
    assert "--torch-backend" not in words


def test_a_person_may_choose_the_build(checkout: Path) -> None:
    assert "--torch-backend" not in _asked(checkout, "platform", UV_TORCH_BACKEND="cu130")


def test_label_studio_gets_an_environment_of_its_own(checkout: Path) -> None:
    words = _asked(checkout, "label_studio")
    assert words[: words.index(".venv-label-studio") + 1][0] == "venv"
    assert _after(words, "-c") == ["constraints-label-studio.txt"]
    assert words[-1] == "label-studio"


def test_another_part_is_wrong_use(checkout: Path) -> None:
    done = subprocess.run(
        [str(checkout / "scripts" / "install"), "everything"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"usage:" in done.stderr


def test_every_package_is_pinned() -> None:
    for name in ("constraints.txt", "constraints-label-studio.txt"):
        lines = (PROJECT / name).read_text().splitlines()
        assert lines
        assert [line for line in lines if "==" not in line or "://" in line] == []


def test_ci_runs_what_a_person_runs() -> None:
    script = (PROJECT / ".ci" / "run").read_text().rstrip().splitlines()
    assert script[-1] == "make test"
    assert "set -euo pipefail" in script
