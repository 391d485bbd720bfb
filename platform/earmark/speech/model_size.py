"""How large a model is, by the headers of its weights: nothing is loaded."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from earmark.speech.errors import EarmarkError

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_LARGEST_HEADER = 100 * 1024 * 1024


@dataclass(frozen=True)
class ModelSize:
    """`parameters`: numbers in the weights, shared ones once; `bytes` of the files that hold them."""

    parameters: int
    bytes: int


def model_size(folder: Path) -> ModelSize:
    """The size of the model in `folder`, in the published layout: what is loaded, not what lies beside it.

    Raises EarmarkError `recognition:model:unavailable` when its weights are not there or are no safetensors.
    """
    files = weight_files(folder)
    try:
        return ModelSize(sum(map(_parameters, files)), sum(file.stat().st_size for file in files))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, str(error)) from error


def weight_files(folder: Path) -> list[Path]:
    """The files with the weights of the model in `folder`: one, or those that its index names."""
    whole, index = folder / _WEIGHTS, folder / _INDEX
    if whole.is_file():
        return [whole]
    try:
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise _unreadable(folder, f"there is neither {_WEIGHTS} nor a readable {_INDEX}") from error
    return [folder / Path(str(name)).name for name in sorted(named)]


def _parameters(file: Path) -> int:
    """The safetensors format: eight bytes with the header's length, then JSON with each tensor's shape."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 0 < length <= _LARGEST_HEADER:
            raise ValueError(f"{file.name} is no safetensors file")
        header = json.loads(opened.read(length))
    return sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")


def _unreadable(folder: Path, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:model:unavailable",
        f"The weights in {folder} cannot be read: {reason}.",
        "Put the model's safetensors files back.",
    )
