"""The Dockerfile, read: what it copies exists and is not ignored, it does not run as root, it keeps no secret."""

import re
from pathlib import Path

from earmark.local.application import PROJECT

DOCKERFILE = (PROJECT / "Dockerfile").read_text()


def _copied() -> set[str]:
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        copied.update(line.split()[:-1])
    return copied


def test_what_is_copied_is_there_and_let_through() -> None:
    let_through = {
        line.removeprefix("!")
        for line in (PROJECT / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    assert _copied() == let_through
    for name in _copied():
        assert (PROJECT / name).exists(), name


def test_every_package_of_the_wheel_is_in_the_image() -> None:
    packages = re.search(r"^packages = \[(.*)\]$", (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages is not None
    wanted = {name.strip(' "').split("/")[0] for name in packages[1].split(",")}
    assert wanted <= _copied()


def test_it_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)
    assert users == ["earmark"]
    assert DOCKERFILE.index("USER earmark") < DOCKERFILE.index("CMD")


def test_no_secret_stays_in_the_image() -> None:
    kept = "\n".join(re.findall(r"^(?:ENV|ARG) (?:.*\\\n)*.*$", DOCKERFILE, re.MULTILINE))
    assert "EARMARK_VAR" in kept
    assert not re.search("SECRET|PASSWORD|TOKEN|KEY", kept)


def test_no_lock_file_with_addresses_is_kept() -> None:
    assert "package-lock=false" in (PROJECT / ".npmrc").read_text().splitlines()
    for name in ("package-lock.json", "uv.lock"):
        assert not Path(PROJECT / name).exists()
