"""Where things are, what they are called, how long they are."""

import ast
import configparser
import importlib
import uuid
from pathlib import Path

from tests.rules.tree import ROOT, files, nodes, shown

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
REASON = "long because"
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "core", "misc", "tools"}
MOST_BYTES_OF_WEIGHTS = 8 * 1024 * 1024
BESIDE_THE_FLOORS = {"earmark.config", "earmark.local"}


def test_platform_is_a_source_root_and_never_a_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert not [path.name for path in (ROOT / "platform").glob("*.py")]
    assert [path.name for path in (ROOT / "platform").iterdir() if path.name != "__pycache__"] == ["earmark"]
    assert importlib.import_module("platform").system()
    assert uuid.uuid1()


def test_every_room_stands_on_a_floor() -> None:
    rooms = {f"earmark.{path.parent.name}" for path in (ROOT / "platform" / "earmark").glob("*/__init__.py")}
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    floors = contracts["importlinter:contract:floors"]["layers"].replace("|", " ").split()
    assert rooms - BESIDE_THE_FLOORS == {floor for floor in floors if floor.startswith("earmark.")}


def test_no_test_outside_tests() -> None:
    strays = [shown(path) for path in files() if path.name.startswith("test_") or path.name == "conftest.py"]
    assert [path for path in strays if not path.startswith("tests/")] == []


def test_no_name_that_says_nothing() -> None:
    named = [shown(path) for path in files() if {path.stem, *_folders(path)} & NAMES_THAT_SAY_NOTHING]
    assert named == []


def _folders(path: Path) -> set[str]:
    return set(path.relative_to(ROOT).parts[:-1])


def test_files_are_short() -> None:
    long = []
    for path in files(endings=(".py", ".html", ".css", ".js", ".sh")):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MOST_LINES_OF_A_FILE and not any(REASON in line for line in lines[:10]):
            long.append(f"{shown(path)} has {len(lines)} lines")
    assert long == []


def test_functions_are_short() -> None:
    long = []
    for path in files():
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                body = lines[node.lineno - 1 : node.end_lineno]
                if len(body) > MOST_LINES_OF_A_FUNCTION and not any(REASON in line for line in body):
                    long.append(f"{shown(path)}: {node.name} has {len(body)} lines")
    assert long == []


def test_weights_are_small_safetensors() -> None:
    weights = files(
        under=("models",), endings=(".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".onnx")
    )
    assert [shown(path) for path in weights if path.suffix != ".safetensors"] == []
    assert [shown(path) for path in weights if path.stat().st_size > MOST_BYTES_OF_WEIGHTS] == []
