"""Whether the files of a model folder are all there, whole and of a kind we load.

`earmark.json` lists under `files` the SHA-256 of every file that a model of ours was saved with; a folder without that
list (one from the hub) is checked as far as its own files tell.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from earmark.speech.errors import EarmarkError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED_SUFFIXES = (".bin", ".ckpt", ".h5", ".pickle", ".pkl", ".pt", ".pth")
_LISTED_SUFFIXES = (".jinja", ".json", ".model", ".safetensors", ".txt")
_UNLISTED = ("earmark.json", "training.json")


def hashes_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in the folder that loading reads, by name."""
    return {
        path.name: _sha256(path)
        for path in sorted(folder.iterdir())
        if path.suffix in _LISTED_SUFFIXES and path.name not in _UNLISTED
    }


def check_files(folder: Path, listed: Mapping[str, str]) -> None:
    """Refuse a folder whose weights are missing, pickled or damaged, or whose `listed` files are not what was saved.

    Raises EarmarkError `recognition:model:incomplete`, `:pickled` or `:damaged`, naming the file.
    """
    shards = _weight_files(folder)
    for name in sorted({*shards, *listed}):
        if not (folder / name).is_file():
            raise _without(folder, name)
    for name in sorted({*shards, *(name for name in listed if name.endswith(".safetensors"))}):
        _check_header(folder / name)
    for name, digest in listed.items():
        if _sha256(folder / name) != digest:
            raise _damaged(folder / name, "it is not the file the model was saved with (another SHA-256)")


def _weight_files(folder: Path) -> list[str]:
    """The files the weights lie in: one, or those the index names."""
    if not (folder / INDEX).is_file():
        return [WEIGHTS]
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return sorted({str(name) for name in index["weight_map"].values()})
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(folder / INDEX, f"it is no index of weight files ({error!r})") from error


def _without(folder: Path, name: str) -> EarmarkError:
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED_SUFFIXES)
    if name == WEIGHTS and pickled:
        return EarmarkError(
            "recognition:model:pickled",
            f"{folder} has its weights in {pickled[0]}, and no {WEIGHTS}. A pickled file can run any program when it "
            "is read, so none is.",
            "Get the model as safetensors, or convert it on a machine you can lose: load it with transformers there "
            "and call save_pretrained.",
        )
    return EarmarkError(
        "recognition:model:incomplete",
        f"The model folder {folder} lacks {name}.",
        "Copy the whole folder again from where the model was made.",
    )


def _check_header(path: Path) -> None:
    try:
        with safe_open(path, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise _damaged(path, f"it is no complete safetensors file ({error})") from error


def _damaged(path: Path, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:model:damaged",
        f"The model file {path} cannot be used: {reason}.",
        "Copy it again from where the model was made; a file changed on purpose needs its line under `files` in "
        "earmark.json taken out.",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
