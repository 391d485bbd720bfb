"""The files the rules are about."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("platform", "annotation", "training_jobs", "benchmarks", "models", "tests", "manage.py")
PRODUCT = ("platform", "annotation", "training_jobs", "models", "manage.py")


@cache
def files(*, under: tuple[str, ...] = SOURCES, endings: tuple[str, ...] = (".py",)) -> tuple[Path, ...]:
    """Every file below these folders of the repository that ends in one of `endings`."""
    return tuple(sorted(path for name in under for path in _walk(ROOT / name) if path.suffix in endings))


def shown(path: Path) -> str:
    """The path as people write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a Python file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a Python file, with the name of what is called."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def _walk(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
    elif start.is_dir():
        for path in start.iterdir():
            if path.name not in {"__pycache__", "node_modules"}:
                yield from _walk(path)
