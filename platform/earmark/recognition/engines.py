"""The engines of the settings: which there are, which one reads a model, and how one is loaded. No torch until then."""

import json
import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from earmark.speech.engine import Engine
from earmark.speech.errors import EarmarkError
from earmark.speech.remote_address import is_address

log = logging.getLogger(__name__)

MODEL_TYPES = {"glmasr": "glm-asr", "whisper": "whisper"}
"""Which engine reads the models whose `config.json` names that `model_type`."""
REMOTE = "remote"
USUAL = "glm-asr"
AWAY = frozenset({"recognition:remote:unreachable", "recognition:remote:busy"})
HOPELESS = frozenset({"recognition:remote:key"})


def known_engine(name: str) -> str:
    """`name` itself, if the settings have an engine of that name; raises EarmarkError `recognition:engine:unknown`."""
    if name not in settings.ENGINES:
        raise EarmarkError(
            "recognition:engine:unknown",
            f"There is no engine {name!r} in the settings.",
            f"Choose one of {', '.join(settings.ENGINES)}, or have an admin add it to ENGINES.",
        )
    return name


def options_of(name: str) -> dict[str, Any]:
    """What the settings tell the engine `name` beside source and device."""
    return dict(settings.ENGINE_OPTIONS.get(name, {}))


def engine_of(source: str, folder: Path | None) -> str:
    """The engine that reads the model at `source`, by its form and by the `model_type` of `folder`/config.json.

    The usual engine where the file does not say. Raises EarmarkError `recognition:engine:unguessed` for a type that
    no engine of ours reads, `recognition:engine:unknown` when the settings have none of the right name.
    """
    if is_address(source):
        return known_engine(REMOTE)
    kind = _model_type(folder) if folder else ""
    if kind and kind not in MODEL_TYPES:
        raise EarmarkError(
            "recognition:engine:unguessed",
            f"{source} holds a model of the type {kind!r}, which none of the known engines reads.",
            f"Name the engine that does: {', '.join(settings.ENGINES)}.",
        )
    return known_engine(MODEL_TYPES.get(kind, USUAL))


def load_engine(name: str, source: str, device: str) -> Engine:
    """The engine `name` with the model at `source` on `device`.

    Raises EarmarkError `recognition:engine:unknown`, `recognition:engine:broken` when its class cannot be had, and
    whatever the engine says of the model: `recognition:model:unavailable`, `recognition:remote:*`.
    """
    path = settings.ENGINES[known_engine(name)]
    try:
        engine = import_string(path)
    except ImportError as error:
        raise EarmarkError(
            "recognition:engine:broken",
            f"The engine {name!r} cannot be had from {path}: {error}.",
            "Correct ENGINES in the settings, or install what the engine needs; `manage.py check` tells more.",
        ) from error
    log.info("loading %s with engine %s on %s", source, name, device)
    loaded: Engine = engine.load(source, device, **options_of(name))
    return loaded


def end_if_away(error: EarmarkError) -> None:
    """Raise what ends a run when `error` is the engine's and says nothing of the clip in hand.

    ConnectionError for a server that is away or busy, so that the work is given back and tried later; the error
    itself for a key that is not accepted.
    """
    if error.error_id in AWAY:
        raise ConnectionError(str(error)) from error
    if error.error_id in HOPELESS:
        raise error


def _model_type(folder: Path) -> str:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EarmarkError(
            "recognition:model:unavailable",
            f"{folder / 'config.json'} cannot be read: {error}.",
            "Put the model's config.json back.",
        ) from error
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""
