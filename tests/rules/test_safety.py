"""What the code never does."""

import ast
import re
from pathlib import Path

import pytest

from earmark.config.environment import REQUIRED, read
from earmark.speech.errors import EarmarkError
from tests.rules.tree import PRODUCT, calls, files, nodes, shown

CODE_IN_DATA = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ERROR_ID = re.compile(r"[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*){1,3}")
AVOIDING_THE_TEST = {"skip", "skipif", "xfail", "importorskip"}
RUNNING_TEXT = {"eval", "exec", "os.system", "os.popen"}
OPEN_DOORS = {"shell": True, "trust_remote_code": True, "allow_pickle": True, "verify": False}


def said(call: ast.Call, name: str) -> object:
    """The constant that `call` gives the keyword `name`; None when it gives none."""
    given = [word.value for word in call.keywords if word.arg == name]
    return given[0].value if given and isinstance(given[0], ast.Constant) else None


def imported(path: Path) -> set[str]:
    """The packages `path` imports from."""
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_nothing_that_runs_code_from_data_is_imported() -> None:
    assert [shown(path) for path in files(under=PRODUCT) if imported(path) & CODE_IN_DATA] == []


def test_torch_loads_weights_and_nothing_else() -> None:
    loads = [(shown(path), call) for path in files() for name, call in calls(path) if name == "torch.load"]
    assert [where for where, call in loads if said(call, "weights_only") is not True] == []
    hidden = [
        shown(path)
        for path in files()
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom)
        and node.module == "torch"
        and any(each.name == "load" for each in node.names)
    ]
    assert hidden == []


def test_no_shell_no_eval_no_remote_code() -> None:
    found = [
        f"{shown(path)}:{call.lineno} {name}"
        for path in files(under=PRODUCT)
        for name, call in calls(path)
        if name in RUNNING_TEXT or any(said(call, word) is value for word, value in OPEN_DOORS.items())
    ]
    assert found == []


def test_error_ids_read_from_the_general_to_the_particular() -> None:
    ids = [
        str(call.args[0].value)
        for path in files(under=PRODUCT)
        for name, call in calls(path)
        if name == "EarmarkError" and call.args and isinstance(call.args[0], ast.Constant)
    ]
    assert len(ids) > 20
    assert [each for each in ids if not ERROR_ID.fullmatch(each)] == []


def test_no_test_looks_away() -> None:
    away = [
        f"{shown(path)}:{node.lineno}"
        for path in files(under=("tests",))
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
        and node.attr in AVOIDING_THE_TEST
        and ast.unparse(node.value) in {"pytest", "pytest.mark"}
    ]
    assert away == []


@pytest.mark.parametrize("name", REQUIRED)
def test_no_secret_has_a_default(name: str) -> None:
    with pytest.raises(EarmarkError, match=name):
        read({**dict.fromkeys(REQUIRED, "redis://x"), name: ""})
