"""Every variable the platform reads is read in one place and explained on one page."""

import ast
import re
from pathlib import Path

from tests.rules.tree import PRODUCT, ROOT, files, nodes, shown

READER = ROOT / "platform" / "earmark" / "config" / "environment.py"
PAGE = ROOT / "docs" / "configuration.md"
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|SECRET_KEY")
OURS = re.compile(r"EARMARK_[A-Z0-9_]+")
STARTING = ("Makefile", "Procfile*", "scripts/*", "Dockerfile", "docker-compose*.yml")
READERS = ("platform/earmark/config/", "platform/earmark/local/", "manage.py")
OTHERS = {
    "platform/earmark/demo/command.py": "starts the embedded stack and takes its addresses",
    "platform/earmark/speech/__init__.py": "says how threads wait, before any library starts them",
    "platform/earmark/speech/decoder_process.py": "gives its child process as little as it needs",
    "platform/earmark/speech/voice_activity.py": "forbids onnxruntime to report to its makers, before it starts",
    "training_jobs/recipe/processes.py": "asks what torchrun has said",
}


def variables(path: Path) -> set[str]:
    """The names of variables that stand as constants in `path`, as keys of mappings or arguments of get."""
    found: set[str] = set()
    for node in nodes(path):
        keys: list[ast.expr | None] = []
        if isinstance(node, ast.Subscript):
            keys = [node.slice]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".get", "getenv")):
            keys = list(node.args[:1])
        elif isinstance(node, ast.Dict):
            keys = list(node.keys)
        found |= {
            key.value
            for key in keys
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and VARIABLE.fullmatch(key.value)
        }
    return found


def ours() -> set[str]:
    """Every name in the product's code that begins as our variables do."""
    return {
        node.value
        for path in files(under=PRODUCT)
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OURS.fullmatch(node.value)
    }


def test_every_variable_is_explained_and_every_explained_one_is_read() -> None:
    explained = set(re.findall(r"^\| `([A-Z0-9_]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    starting = [path for pattern in STARTING for path in ROOT.glob(pattern) if path.is_file()]
    texts = [path.read_text(encoding="utf-8") for path in (*files(under=PRODUCT), *starting)]
    assert (variables(READER) | ours()) - explained == set()
    assert {name for name in explained if not any(name in text for text in texts)} == set()


def test_the_environment_is_read_in_few_places() -> None:
    readers = {
        shown(path)
        for path in files(under=PRODUCT)
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    }
    assert {path for path in readers if not path.startswith(READERS)} - set(OTHERS) == set()


def test_no_exception_outlives_its_reason() -> None:
    assert [path for path in OTHERS if "os.environ" not in (ROOT / path).read_text(encoding="utf-8")] == []
