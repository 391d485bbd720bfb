"""Linear layers that learn on a CPU by oneDNN's matrix product, forward and backward.

PyTorch takes MKL's there, which leaves the wide registers of some makers' processors idle; see `earmark.speech.kernels`
for the same in inference. Where there are none the two are as fast, and PyTorch's own layer costs less around them.
Equal to the library's layer to float32 rounding.
"""

from typing import Any

import torch
from torch import nn


class CpuLinear(nn.Linear):
    """`nn.Linear` whose product is oneDNN's for float32 on a CPU outside autocast, the library's everywhere else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` [..., in] to [..., out]."""
        plain = x.device.type != "cpu" or x.dtype != torch.float32 or self.weight.dtype != torch.float32
        if plain or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        y: torch.Tensor = _Product.apply(x, self.weight, self.bias)
        return y


def has_wide_registers() -> bool:
    """Whether this processor has registers (AVX-512) that oneDNN uses and MKL may not."""
    return torch.backends.mkldnn.is_available() and "AVX512" in torch.backends.cpu.get_cpu_capability()


def use_fast_products(model: nn.Module) -> None:
    """Have every plain linear layer of the model compute so where it is on a CPU; names and weights stay."""
    _recast(model, nn.Linear, CpuLinear)


def use_library_products(model: nn.Module) -> None:
    """Undo `use_fast_products`."""
    _recast(model, CpuLinear, nn.Linear)


def _recast(model: nn.Module, old: type[nn.Linear], new: type[nn.Linear]) -> None:
    for module in model.modules():
        if type(module) is old:
            module.__class__ = new


class _Product(torch.autograd.Function):
    """x weightᵀ + bias."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        (gradient,) = gradients
        rows = gradient.reshape(-1, gradient.shape[-1])
        of_x = _product(gradient.contiguous(), weight.t().contiguous()) if wanted[0] else None
        of_weight = None
        if wanted[1]:
            of_weight = _product(rows.t().contiguous(), x.reshape(-1, x.shape[-1]).t().contiguous())
        of_bias = rows.sum(0) if ctx.has_bias and wanted[2] else None
        return of_x, of_weight, of_bias


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y
