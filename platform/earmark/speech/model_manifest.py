"""`earmark.json`, the manifest that our own models keep beside `config.json`; read without torch."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from earmark.speech.engine import LANGUAGES
from earmark.speech.errors import EarmarkError
from earmark.speech.model_files import hashes_of

MANIFEST_NAME = "earmark.json"
WINDOWS = ("fixed", "trimmed")


@dataclass(frozen=True)
class Manifest:
    """What a model was trained with and must be used with.

    `window`: `fixed` pads every clip to 30 s, as the published model was trained; `trimmed` pads a clip
    only to the next multiple of `window_step` seconds. The encoder has no padding mask, so the two give
    different features. `prompt`: the request put to the model, None for the processor's own; `prompts`: others
    for a clip that is asked for in one language, by `en`, `yue` and `zh`, where the model was taught such.
    `max_new_tokens_per_second`: the cap on output by length of audio. `description`: one line for people. `lineage`:
    where a trained model comes from, `calibration`: what its confidence means; both empty where that is not known.
    """

    window: str = "fixed"
    window_step: float = 0.48
    prompt: str | None = None
    max_new_tokens_per_second: float = 15.0
    description: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.prompts, dict) or not all(
            language in LANGUAGES and isinstance(text, str) for language, text in self.prompts.items()
        ):
            raise EarmarkError(
                "recognition:model:manifest",
                f"prompts is {self.prompts!r} in {MANIFEST_NAME}, not texts by {', '.join(LANGUAGES)}.",
                "Correct the model's manifest.",
            )
        if self.window not in WINDOWS:
            raise EarmarkError(
                "recognition:model:manifest",
                f"window is {self.window!r} in {MANIFEST_NAME}, not one of {', '.join(WINDOWS)}.",
                "Correct the model's manifest.",
            )
        for name in ("lineage", "calibration"):
            if not isinstance(getattr(self, name), dict):
                raise EarmarkError(
                    "recognition:model:manifest",
                    f"{name} is {getattr(self, name)!r} in {MANIFEST_NAME}, not an object.",
                    "Correct the model's manifest.",
                )
        for name in ("window_step", "max_new_tokens_per_second"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise EarmarkError(
                    "recognition:model:manifest",
                    f"{name} is {value!r} in {MANIFEST_NAME}, not a number above 0.",
                    "Correct the model's manifest.",
                )


def made_anew(manifest: Manifest) -> Manifest:
    """The manifest of a model that was made from this one: it hears alike, and comes from elsewhere."""
    return replace(manifest, lineage={}, calibration={})


def describe(
    folder: Path, *, lineage: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
) -> None:
    """Say in the manifest of `folder` where its model comes from and what its confidence means; the rest stays.

    `lineage`: parent, snapshot, recipe, options, seed, versions, metrics; `calibration`: parameters and clips. Raises
    EarmarkError `recognition:model:manifest`.
    """
    values = _values(folder) | {"lineage": dict(lineage)}
    if calibration:
        values["calibration"] = dict(calibration)
    Manifest(**{name: value for name, value in values.items() if name != "files"})
    _write(values, folder)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest` with the SHA-256 of every file beside it that loading reads."""
    values = {name: value for name, value in asdict(manifest).items() if value != {}}
    _write(values | {"files": hashes_of(folder)}, folder)


def _write(values: Mapping[str, Any], folder: Path) -> None:
    part = folder / f".{MANIFEST_NAME}.{os.getpid()}"
    part.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / MANIFEST_NAME)


def read_manifest(folder: Path) -> Manifest:
    """The folder's manifest, or the published model's behaviour when it has none.

    Raises EarmarkError `recognition:model:manifest` when it is not JSON or has a key we do not know.
    """
    values = _values(folder)
    values.pop("files", None)
    known = {field.name for field in fields(Manifest)}
    if unknown := sorted(set(values) - known):
        raise _error(folder, f"has {', '.join(unknown)}; known keys are files, {', '.join(sorted(known))}")
    return Manifest(**values)


def listed_files(folder: Path) -> dict[str, str]:
    """SHA-256 by name of file, as the manifest lists them; none where it does not.

    Raises EarmarkError `recognition:model:manifest`.
    """
    listed = _values(folder).get("files", {})
    plain = isinstance(listed, dict) and all(
        isinstance(digest, str) and Path(name).name == name for name, digest in listed.items()
    )
    if not plain:
        raise _error(folder, f"has files {listed!r}, not SHA-256 by name of a file beside it")
    return dict(listed)


def _values(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_NAME
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _error(folder, f"is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise _error(folder, f"holds {values!r}, not an object")
    return values


def _error(folder: Path, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:model:manifest", f"{folder / MANIFEST_NAME} {reason}.", "Correct the model's manifest."
    )
