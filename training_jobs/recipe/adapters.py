"""Which weights of a model learn: all of a part, or low-rank adapters beside what stays as it is (Hu et al. 2021)."""

import copy
from dataclasses import replace
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from earmark.speech.model_folder import LoadedModel
from training_jobs.recipe.cpu_linear import has_wide_registers, use_fast_products, use_library_products
from training_jobs.recipe.recipes import Adaptation

_ADAPTED = r".*language_model\..*\.(q|k|v|o|gate|up|down)_proj"
"""The encoder has layers of the same names: it is not meant."""
_ADAPTER = "default"


def adapt(loaded: LoadedModel, adaptation: Adaptation, *, seed: int) -> None:
    """Make `loaded` learn what `adaptation` says and nothing else; what learns is float32 from here on.

    The adapters' first values are drawn from `seed`; they change nothing before the first step.
    """
    model = loaded.model
    model.requires_grad_(False)
    if adaptation.method == "lora":
        config = LoraConfig(
            r=adaptation.rank,
            lora_alpha=adaptation.alpha,  # type: ignore[arg-type]  # a number to multiply with
            lora_dropout=adaptation.dropout,
            target_modules=_ADAPTED,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inject_adapter_in_model(config, model)
        model.train(model.training)
        model.requires_grad_(False)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name)
    else:
        model.model.language_model.requires_grad_(True)
        model.lm_head.requires_grad_(True)
    model.model.multi_modal_projector.requires_grad_(adaptation.projector)
    model.model.audio_tower.requires_grad_(adaptation.encoder)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if adaptation.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    if loaded.device.type == "cpu" and has_wide_registers():
        use_fast_products(model)


def learned(model: nn.Module) -> list[str]:
    """Names of the parameters that learn."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def plain(loaded: LoadedModel) -> LoadedModel:
    """The same model in the library's own layers, adapters merged into the weights, all of one type of number.

    What is not changed by that is shared with `loaded`, which stays as it is.
    """
    source = loaded.model
    dtype = source.get_input_embeddings().weight.dtype
    same: dict[int, torch.Tensor] = {id(buffer): buffer for buffer in source.buffers()}
    for parameter in source.parameters():
        same[id(parameter)] = nn.Parameter(parameter.detach().to(dtype), requires_grad=False)
    model = copy.deepcopy(source, same)
    use_library_products(model)
    for name, layer in [(n, one) for n, one in model.named_modules() if isinstance(one, LoraLayer)]:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, _merged(layer))
    return replace(loaded, model=model.eval())


@torch.no_grad()
def _merged(layer: Any) -> nn.Linear:
    """The linear layer that does what this adapted one does."""
    base: nn.Linear = layer.get_base_layer()
    weight = base.weight.float() + layer.get_delta_weight(_ADAPTER).float()
    merged = nn.Linear(base.in_features, base.out_features, bias=base.bias is not None, device="meta")
    merged.weight = nn.Parameter(weight.to(base.weight.dtype), requires_grad=False)
    if base.bias is not None:
        merged.bias = base.bias
    return merged
