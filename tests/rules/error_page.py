"""Draws docs/errors.md from the code: `.venv/bin/python -m tests.rules.error_page` writes it anew."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.rules.tree import PRODUCT, ROOT, calls, files, nodes

WORD = "[a-z][a-z0-9_-]*"
ID = re.compile(f"{WORD}(:{WORD}){{2,3}}")
SHORT_ID = re.compile(f"{WORD}(:{WORD}){{1,3}}")
"""Two words alone are also the name of an address, so they count only where an error id is asked for."""
PAGE = ROOT / "docs" / "errors.md"
HEAD = """# Errors

Every error the platform raises on purpose has a stable id, a message that names the offending value and the reason, and
a hint: who must do what. The id is what `earmark` prints first, what REST answers as `error_id`, and what an import or
a job that failed keeps. Names in braces are filled in. This page is drawn from the code; a test compares them.
"""


@dataclass(frozen=True, order=True)
class Entry:
    """One id with what people are told."""

    error_id: str
    message: str
    hint: str


def told(node: ast.AST | None) -> str:
    """The text of a string, an f-string or a translated string, with the names of its values in braces."""
    match node:
        case ast.Constant(value=str(text)):
            return re.sub(r"%\((\w+)\)\w", r"{\1}", text)
        case ast.JoinedStr(values=parts):
            return "".join(told(part) for part in parts)
        case ast.FormattedValue(value=value):
            return "{" + _plain(ast.unparse(value)) + "}"
        case ast.Call(func=ast.Name(id="_"), args=[text]):
            return told(text)
        case ast.Call(func=ast.Attribute(value=text, attr="format")) | ast.BinOp(left=text, op=ast.Mod()):
            return told(text)
        case _:
            return "…"


def _plain(expression: str) -> str:
    return expression if expression.replace(".", "").replace("_", "").isalnum() else "…"


@cache
def constants() -> dict[str, str]:
    """Ids that have a name of their own in some module."""
    found = {}
    for path in files(under=PRODUCT):
        for node in nodes(path):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))) if (
                    ID.fullmatch(text)
                ):
                    found[name] = text
    return found


def id_of(node: ast.AST, shape: re.Pattern[str] = ID) -> str:
    """The error id that an expression is; empty when it is none."""
    match node:
        case ast.Constant(value=str(text)) if shape.fullmatch(text):
            return text
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return constants().get(name, "")
    return ""


def entries(path: Path) -> Iterator[Entry]:
    """Every error id that `path` gives to somebody."""
    for name, call in calls(path):
        words = {word.arg: word.value for word in call.keywords if word.arg}
        shape = SHORT_ID if name == "EarmarkError" else ID
        if call.args and (error_id := id_of(call.args[0], shape)):
            texts = [told(each) for each in call.args[1:3]]
            yield Entry(error_id, *[*texts, "", ""][:2])
        elif error_id := id_of(words.get("error_id", call), SHORT_ID):
            message, hint = words.get("detail") or words.get("error"), words.get("hint")
            yield Entry(error_id, told(message) if message else "", told(hint) if hint else "")
    for node in nodes(path):
        match node:
            case ast.Return(value=ast.Tuple(elts=[first, second])) if error_id := id_of(first, SHORT_ID):
                is_hint = error_id.startswith("api:")
                yield Entry(error_id, *(("", told(second)) if is_hint else (told(second), "")))
            case ast.Constant(value=str(text)) if ID.fullmatch(text) and text.count(":") > 1:
                yield Entry(text, "", "")
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if key is not None and (error_id := id_of(key)) and told(value) != "…":
                        yield Entry(error_id, "", told(value))


def informative(found: set[Entry]) -> list[Entry]:
    """Without the entries that say nothing beside one of the same id that says something."""
    speaking = {one.error_id for one in found if one.message or one.hint}
    return sorted(one for one in found if one.message or one.hint or one.error_id not in speaking)


def drawn() -> str:
    """The page as the code has it."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in informative({entry for path in files(under=PRODUCT) for entry in entries(path)}):
        groups[entry.error_id.split(":")[0]].append(entry)
    page = [HEAD]
    for name, found in sorted(groups.items()):
        page.append(f"\n## {name}\n\n| id | message | hint |\n|---|---|---|\n")
        page += [f"| `{one.error_id}` | {_cell(one.message)} | {_cell(one.hint)} |\n" for one in found]
    return "".join(page)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(drawn(), encoding="utf-8")
