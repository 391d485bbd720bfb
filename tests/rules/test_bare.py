"""The learning parts, and the embedded stack, are imported without Django."""

import os
import subprocess
import sys
from pathlib import Path

from tests.rules.tree import ROOT, files

BARE = ("platform/earmark/speech", "platform/earmark/local", "training_jobs/recipe")
FORBIDDEN = ("django", "rest_framework", "celery", "psycopg")


def module_of(path: Path) -> str:
    """The dotted name a file is imported under."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "platform" else parts
    return ".".join(parts).removesuffix(".__init__")


def test_importing_them_brings_no_django() -> None:
    modules = [module_of(path) for path in files(under=BARE) if path.stem != "__main__"]
    assert {"earmark.speech.errors", "earmark.local.stack", "training_jobs.recipe.training"} <= set(modules)
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {modules!r}]; "
        f"sys.exit(' '.join(name for name in {FORBIDDEN!r} if name in sys.modules) or 0)"
    )
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
