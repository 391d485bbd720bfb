"""One way to load a GLM-ASR model, tiny or real: a folder in the published layout, or a hub id.

Beside `config.json` our own models keep `earmark.json`, the manifest: what has to be the same in training
and in use but which the published layout has no place for. A folder without one gets the published model's
behaviour.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub.errors import HFValidationError
from transformers import GlmAsrForConditionalGeneration, GlmAsrProcessor

from earmark.speech.aligner import Aligner
from earmark.speech.aligner_head import load_head, save_head
from earmark.speech.errors import EarmarkError
from earmark.speech.model_files import check_files
from earmark.speech.model_manifest import Manifest, listed_files, made_anew, read_manifest, write_manifest

logger = logging.getLogger(__name__)

_HUB_FILES = ["*.json", "*.jinja", "*.safetensors", "*.txt", "*.model"]


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use: weights, processor, manifest, and where they came from.

    `aligner` says when words were said; None where the model has no head for it.
    """

    model: Any
    processor: Any
    manifest: Manifest
    source: str
    aligner: Aligner | None = None

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.model.device
        return device

    @property
    def end_token_ids(self) -> tuple[int, ...]:
        """Every token that ends a transcript; the first is the one we train with."""
        ids = self.model.generation_config.eos_token_id
        return tuple(ids) if isinstance(ids, list | tuple) else (int(ids),)


def load_model(
    source: str, device: str = "cpu", dtype: torch.dtype | None = None, *, attention: str = "sdpa"
) -> LoadedModel:
    """Load a model from a folder in the published layout or from the hub by id, in evaluation mode.

    A hub id is looked up in the local hub cache first and downloaded only when it is not there. `dtype`
    defaults to float32 on a CPU and bfloat16 elsewhere. `attention` is the library's way to compute it in training
    and scoring: `sdpa`, which takes PyTorch's own flash kernels where it can, or `flash_attention_2` where installed.
    Only safetensors weights are read. Raises EarmarkError `recognition:model:unavailable` when neither gives a model,
    `recognition:model:manifest` for a bad manifest, `:incomplete`, `:pickled`, `:damaged` or `:aligner` for a file
    that is missing or wrong.
    """
    folder = find_folder(source)
    manifest = read_manifest(folder)
    check_files(folder, listed_files(folder))
    dtype = dtype or (torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16)
    try:
        processor = GlmAsrProcessor.from_pretrained(folder)
        model: Any = GlmAsrForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, attn_implementation=attention
        )
    except (OSError, ValueError, KeyError) as error:
        raise _unavailable(source, f"{folder} does not hold a GLM-ASR model: {error}") from error
    aligner = _load_aligner(folder, model, device)
    return LoadedModel(model.to(device).eval(), processor, manifest, source, aligner)


def _load_aligner(folder: Path, model: Any, device: str) -> Aligner | None:
    head = load_head(folder, width=model.config.audio_config.hidden_size)
    return Aligner(head, device) if head else None


def save_model(loaded: LoadedModel, folder: Path) -> None:
    """Write model, processor, aligner and manifest into `folder` in the published layout, weights as safetensors.

    The manifest lists the SHA-256 of every file, and loading checks them. Where the base model came from and what its
    confidence meant is not said of this one: its weights may be others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    loaded.model.save_pretrained(folder)
    loaded.processor.save_pretrained(folder)
    if loaded.aligner is not None:
        save_head(loaded.aligner.head, folder)
    write_manifest(made_anew(loaded.manifest), folder)


def add_aligner(folder: Path, aligner: Aligner) -> None:
    """Put an aligner beside the weights of the model in `folder`, in place of one there; the rest stays as it is."""
    manifest = read_manifest(folder)
    save_head(aligner.head, folder)
    write_manifest(manifest, folder)


def find_folder(source: str) -> Path:
    """The folder on this machine that holds the model `source`: itself, or its copy in the hub's cache.

    Raises EarmarkError `recognition:model:unavailable`.
    """
    folder = Path(source).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if folder.exists():
        raise _unavailable(source, f"{folder} has no config.json")
    if source.startswith(("/", ".", "~")) or source.count("/") != 1:
        raise _unavailable(source, f"there is no folder {folder}")
    return _find_on_hub(source)


def _find_on_hub(hub_id: str) -> Path:
    try:
        folder = Path(huggingface_hub.snapshot_download(hub_id, local_files_only=True))
        logger.info("model %s taken from the local hub cache at %s", hub_id, folder)
        if (folder / "config.json").is_file():
            return folder
    except (OSError, HFValidationError):
        logger.info("model %s is not in the local hub cache; asking the hub", hub_id)
    try:
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=_HUB_FILES))
    except (OSError, RuntimeError, ValueError) as error:
        reason = (
            f"there is no folder of that name and the hub did not give it ({type(error).__name__}: {error})"
        )
        raise _unavailable(hub_id, reason) from error


def _unavailable(source: str, reason: str) -> EarmarkError:
    return EarmarkError(
        "recognition:model:unavailable",
        f"The model {source!r} cannot be loaded: {reason}.",
        "Set EARMARK_MODEL to a model folder on this machine, or to a hub id this machine can reach.",
    )
