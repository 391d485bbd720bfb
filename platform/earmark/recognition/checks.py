"""`manage.py check`: the engines of the settings are there. Looks at files alone, so that no process pays for torch."""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@register("earmark")
def engines_are_there(app_configs: object = None, **more: Any) -> list[CheckMessage]:
    """Names, dotted paths, options and EARMARK_ENGINE of the settings."""
    found = [Error(told, hint=hint, id=number) for number, told, hint in _engines()]
    return [*found, *(Error(told, hint=hint, id=number) for number, told, hint in _choices())]


def _engines() -> Iterator[tuple[str, str, str]]:
    for name, path in settings.ENGINES.items():
        if not _NAME.fullmatch(name):
            yield (
                "recognition.E001",
                f"ENGINES has the name {name!r}.",
                "Use at most 40 small letters, digits and hyphens.",
            )
        if reason := missing(path):
            yield (
                "recognition.E002",
                f"ENGINES names {path!r} for {name!r}: {reason}.",
                "Write the dotted path of a class, and install the package it is in.",
            )


def _choices() -> Iterator[tuple[str, str, str]]:
    chosen = settings.EARMARK.engine
    if chosen and chosen not in settings.ENGINES:
        yield (
            "recognition.E003",
            f"EARMARK_ENGINE is {chosen!r}, which is no engine of the settings.",
            f"Choose one of {', '.join(settings.ENGINES)}.",
        )
    for name in sorted(set(settings.ENGINE_OPTIONS) - set(settings.ENGINES)):
        yield (
            "recognition.E004",
            f"ENGINE_OPTIONS has {name!r}, which is no engine.",
            "Correct the name, or remove it.",
        )


def missing(path: str) -> str:
    """Why the class at the dotted `path` cannot be imported; empty when it can. Imports packages, never the module."""
    module, dot, name = str(path).rpartition(".")
    if not dot:
        return "it is not a dotted path"
    if module in sys.modules:
        return "" if hasattr(sys.modules[module], name) else f"{module} has no {name}"
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        return str(error)
    if spec is None:
        return f"there is no module {module}"
    if not spec.origin or not spec.origin.endswith(".py"):
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return "" if {name, "*"} & set(_names(tree)) else f"{module} has no {name}"


def _names(tree: ast.Module) -> Iterator[str]:
    """What the top level of a module defines or imports."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (each.asname or each.name for each in names)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
