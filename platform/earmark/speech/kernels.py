"""The two operations a transformer spends its time in, by whatever does them fastest on the device.

On a CPU oneDNN's matrix product is used where PyTorch would take MKL's: it uses the wide registers of every maker's
processors (2.3 times the throughput of MKL on an AMD EPYC), and gives the same numbers to float32 rounding.
"""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

_LONG_ATTENTION = 600
"""Queries or keys from which on attention by blocks of queries, two plain products each, beats the fused kernel."""
_BLOCK = 190_000
"""Scores that are computed at a time, so that they stay in a core's cache."""
_SMALL_WEIGHT = 2_000_000
"""Numbers up to which a copy of a weight costs nothing worth saving."""
_TYPICAL_ROWS = 32


def linear(module: nn.Module, x: torch.Tensor, *, gelu: bool = False) -> torch.Tensor:
    """`module(x)` [..., out] for x [..., in], its exact GELU where asked for. No gradient flows on a CPU."""
    if type(module) is nn.Linear and _on_cpu(x):
        return _product(x, module.weight, module.bias, gelu=gelu)
    y: torch.Tensor = module(x)
    return F.gelu(y) if gelu else y


def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x weightᵀ: [..., out] for x [..., in] and weight [out, in]."""
    return _product(x, weight) if _on_cpu(x) else x @ weight.T


class Projection:
    """One or more linear modules over the same input, their outputs side by side: [..., in] to [..., sum of outs].

    Small ones are made one product here, of weights laid out for it: take a new one when the weights have changed.
    """

    def __init__(self, *modules: Any) -> None:
        self._modules = modules
        self._weight: torch.Tensor | None = None
        self._bias: torch.Tensor | None = None
        first = modules[0]
        if all(type(module) is nn.Linear for module in modules) and _on_cpu(first.weight):
            weight = torch.cat([module.weight for module in modules])
            if weight.numel() <= _SMALL_WEIGHT:
                self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _TYPICAL_ROWS)
                biases = [module.bias for module in modules]
                self._bias = None if biases[0] is None else torch.cat(biases)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._weight is not None:
            return _product(x, self._weight, self._bias)
        parts = [linear(module, x) for module in self._modules]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


class RmsNorm:
    """A module that divides by the root mean square over the last axis, in fewer operations on a CPU."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._weight: torch.Tensor | None = None
        if _on_cpu(module.weight):
            width = module.weight.numel()
            self._weight = module.weight * math.sqrt(width)
            self._smallest = module.weight.new_tensor(math.sqrt(width * module.variance_epsilon))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._weight is None:
            y: torch.Tensor = self._module(x)
            return y
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot_(self._smallest)
        return (x * self._weight).div_(length)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scale: float,
    mask: torch.Tensor | None = None,
    causal: bool = False,
) -> torch.Tensor:
    """softmax(scale x query keyᵀ + mask) value: [B, heads, S, D] from [B, heads, S, E], [B, kv, T, E], [B, kv, T, D].

    Fewer key than query heads are shared by neighbouring query heads. `mask` is added, [B, 1, 1 or S, T].
    """
    plain = mask is None and not causal and query.shape[1] == key.shape[1]
    fused_is_slow = query.shape[2] > _LONG_ATTENTION or query.shape[-1] != value.shape[-1]
    if plain and fused_is_slow and _on_cpu(query):
        return _attend_in_blocks(query, key, value, scale)
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and query.shape[2] == 1:
        batch, heads, _, width = query.shape
        packed = query.reshape(batch, heads // groups, groups, width)
        out = F.scaled_dot_product_attention(packed, key, value, attn_mask=mask, scale=scale)
        return out.reshape(batch, heads, 1, value.shape[-1])
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=groups > 1
    )


def _attend_in_blocks(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> torch.Tensor:
    batch, heads, queries, _ = query.shape
    out = query.new_empty(batch, heads, queries, value.shape[-1])
    query = query * scale
    key, columns = key.contiguous(), value.transpose(2, 3).contiguous()
    size = max(1, min(500, _BLOCK // key.shape[2]))
    for row in range(batch):
        for head in range(heads):
            for start in range(0, queries, size):
                block = slice(start, start + size)
                weights = _product(query[row, head, block], key[row, head]).softmax(-1)
                out[row, head, block] = _product(weights, columns[row, head])
    return out


def _product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, *, gelu: bool = False
) -> torch.Tensor:
    """x weightᵀ + bias by oneDNN."""
    activation, variant = ("gelu", "none") if gelu else ("none", "")
    y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], variant)
    return y


def _on_cpu(x: torch.Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and torch.is_inference_mode_enabled()
        and torch.backends.mkldnn.is_available()
    )
