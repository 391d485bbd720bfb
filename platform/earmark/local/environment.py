"""Where the running embedded stack tells other processes how to reach it: `var/local.json`, mode 0600."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earmark.speech.errors import EarmarkError

FILE = "local.json"


def load(var: Path) -> dict[str, str]:
    """The settings the embedded stack wrote in `var/local.json`, or nothing where none has started.

    Raises EarmarkError `local:environment:unreadable` when the file is there and cannot be understood.
    """
    return dict(read_json(var / FILE, "local:environment:unreadable"))


def save(var: Path, settings: Mapping[str, str]) -> None:
    """Write `settings` for other processes of the same person to read."""
    write_private(var / FILE, json.dumps(dict(settings), indent=2, sort_keys=True) + "\n")


def forget(var: Path) -> None:
    """Remove the file: nothing listens at these addresses any more."""
    (var / FILE).unlink(missing_ok=True)


def read_json(path: Path, error_id: str) -> dict[str, Any]:
    """The JSON object in `path`, or an empty one where there is no file; raises EarmarkError `error_id`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EarmarkError(
            error_id, f"{path} cannot be read: {error}.", "Mend or remove it, then `make run`."
        ) from error
    if not isinstance(found, dict):
        raise EarmarkError(error_id, f"{path} holds no JSON object.", "Mend or remove it, then `make run`.")
    return found


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` at once or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
