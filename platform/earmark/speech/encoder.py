"""The audio tower and projector of GLM-ASR, without work whose result nobody reads.

The encoder has no padding mask: what stands behind a clip in its window changes what is heard in it, so all of the
window has to be there. But only the clip's own frames are read at the end, and before the first attention all frames
of padding are alike. Equal to the library's modules to float32 rounding; see docs/decisions.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from earmark.speech.cpu_graphs import EncoderGraphs
from earmark.speech.features import LogMel
from earmark.speech.kernels import attend, linear

_EDGE = 4
"""Log-mel frames of padding kept behind a clip so that the convolutions give one whole frame of plain padding."""

Rotary = tuple[torch.Tensor, torch.Tensor]


def encode(
    tower: Any, spectra: Sequence[LogMel], *, device: torch.device, graphs: EncoderGraphs | None = None
) -> list[torch.Tensor]:
    """The encoder's output over each clip's own frames [encoded, H], for clips of one window, on `device`.

    `graphs` of the same weights stand in for the layers.
    """
    if len(spectra) == 1 and _has_silent_tail(spectra[0]) and device.type == "cpu":
        return [_encode_before_silence(tower, spectra[0], graphs)]
    dtype = tower.conv1.weight.dtype
    features = torch.stack([spectrum.padded() for spectrum in spectra]).to(device, dtype)
    x = _convolved(tower, features)
    read = max(spectrum.encoded for spectrum in spectra)
    x = graphs.all_layers(x, read) if graphs else _layers(tower, tower.layers, x, _rotary(tower, x), read)
    return [row[: spectrum.encoded] for row, spectrum in zip(x, spectra, strict=True)]


def _layers(tower: Any, layers: Any, x: torch.Tensor, rotary: Rotary, read: int) -> torch.Tensor:
    """The first `read` frames of what these layers, the last ones of the tower, and its norm make of x."""
    for number, layer in enumerate(layers):
        x = _layer(layer, x, rotary, queries=read if number == len(layers) - 1 else None)
    normed: torch.Tensor = tower.norm(x)
    return normed


def project(model: Any, encoded: torch.Tensor) -> torch.Tensor:
    """Audio embeddings [tokens, hidden of the language model] of encoder output [4 tokens, H]."""
    projector = model.multi_modal_projector
    merged = encoded.reshape(-1, model.config.audio_config.intermediate_size)
    return linear(projector.linear_2, _activated(projector.linear_1, merged, projector.act))


def _convolved(tower: Any, features: torch.Tensor) -> torch.Tensor:
    x = F.gelu(tower.conv1(features))
    return F.gelu(tower.conv2(x)).transpose(1, 2).contiguous()


def _rotary(tower: Any, x: torch.Tensor, frames: int | None = None) -> Rotary:
    positions = torch.arange(x.shape[1] if frames is None else frames, device=x.device)[None]
    cos, sin = tower.rotary_emb(x, position_ids=positions)
    return cos[:, None], sin[:, None]


def _layer(layer: Any, x: torch.Tensor, rotary: Rotary, *, queries: int | None = None) -> torch.Tensor:
    """One layer over x [B, T, H]; with `queries` only the first so many frames of its output."""
    attention = layer.self_attn
    normed = layer.input_layernorm(x)
    cos, sin = rotary
    key = _turned(_heads(linear(attention.k_proj, normed), attention), cos, sin)
    value = _heads(linear(attention.v_proj, normed), attention)
    if queries is not None:
        x, normed, cos, sin = x[:, :queries], normed[:, :queries], cos[:, :, :queries], sin[:, :, :queries]
    query = _turned(_heads(linear(attention.q_proj, normed), attention), cos, sin)
    return _after_attention(layer, x, attend(query, key, value, scale=attention.scaling))


def _after_attention(layer: Any, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    merged = attended.transpose(1, 2).flatten(2)
    x = x + linear(layer.self_attn.o_proj, merged)
    inner = _activated(layer.mlp.fc1, layer.post_attention_layernorm(x), layer.mlp.act_fn)
    return x + linear(layer.mlp.fc2, inner)


def _activated(module: Any, x: torch.Tensor, act: Any) -> torch.Tensor:
    exact_gelu = (
        type(act).__name__ in ("GELUActivation", "GELU") and getattr(act, "approximate", "none") == "none"
    )
    if exact_gelu:
        return linear(module, x, gelu=True)
    y: torch.Tensor = act(linear(module, x))
    return y


def _heads(x: torch.Tensor, attention: Any) -> torch.Tensor:
    """[B, T, heads x D] to [B, heads, T, D]."""
    return x.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of the first dimensions of each head, as many as `cos` has."""
    width = cos.shape[-1]
    front = x[..., :width]
    a, b = front.chunk(2, dim=-1)
    turned = front * cos + torch.cat((-b, a), dim=-1) * sin
    return torch.cat((turned, x[..., width:].expand(*turned.shape[:-1], -1)), dim=-1)


def _has_silent_tail(spectrum: LogMel) -> bool:
    return _kept_frames(spectrum) + 2 * _EDGE < spectrum.frames


def _kept_frames(spectrum: LogMel) -> int:
    """Frames of a shorter window whose convolutions have every frame that differs, one of plain padding, the last."""
    return (spectrum.own.shape[1] + 2 * _EDGE + 1) // 2 * 2


def _encode_before_silence(tower: Any, spectrum: LogMel, graphs: EncoderGraphs | None) -> torch.Tensor:
    """`encode` for one clip with a long constant padding behind it, on a CPU."""
    features = spectrum.padded(_kept_frames(spectrum))[None].to(tower.conv1.weight.dtype)
    short = _convolved(tower, features)
    frames = spectrum.frames // 2
    distinct = torch.cat((short[:, :-2], short[:, -1:]), dim=1)
    plain = short[:, -2:-1]
    rotary = _rotary(tower, short, frames)
    read = spectrum.encoded
    only = read if len(tower.layers) == 1 else None
    x = _first_layer(tower.layers[0], distinct, plain, rotary, graphs, queries=only)
    if graphs:
        return graphs.later_layers(x, read)[0]
    return _layers(tower, tower.layers[1:], x, rotary, read)[0]


def _first_layer(
    layer: Any,
    distinct: torch.Tensor,
    plain: torch.Tensor,
    rotary: Rotary,
    graphs: EncoderGraphs | None,
    *,
    queries: int | None,
) -> torch.Tensor:
    """The first layer over [distinct[:-1], plain repeated, distinct[-1]], as many frames as `rotary` has.

    With `queries` only the first so many frames of its output, all of them distinct.
    """
    attention, look = layer.self_attn, graphs.attend if graphs else _plain_attend
    frames, head = rotary[0].shape[2], distinct.shape[1] - 1
    repeated = frames - head - 1
    both = layer.input_layernorm(torch.cat((distinct, plain), dim=1))
    query, key, value = (
        _heads(linear(projection, both), attention)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    own = _rows(rotary, torch.tensor([*range(head), frames - 1]))
    between = _rows(rotary, torch.arange(head, head + repeated))
    query = query * attention.scaling
    own_query, own_key = _turned(query[:, :, :-1], *own), _turned(key[:, :, :-1], *own)
    plain_key = _turned(key[:, :, -1:], *between)
    every_key = _spread(own_key, plain_key)
    every_value = _spread(value[:, :, :-1], value[:, :, -1:].expand(-1, -1, repeated, -1))
    if queries is not None:
        attended = look(own_query[:, :, :queries], every_key, every_value)
        return _after_attention(layer, distinct[:, :queries], attended)
    plain_query, like_keys = _with_like_keys(_turned(query[:, :, -1:], *between), own_key, plain_key)
    attended = _spread(look(own_query, every_key, every_value), look(plain_query, like_keys, value))
    return _after_attention(layer, _spread(distinct, plain.expand(-1, repeated, -1), dim=1), attended)


def _with_like_keys(
    query: torch.Tensor, own_key: torch.Tensor, plain_key: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Plain queries [1, heads, P, D + 1], and the own keys and one for all plain ones [1, heads, own + 1, D + 1].

    All plain keys have one value, so they weigh in as a single key whose score is the logarithm of the sum of their
    exponentials: a coordinate more, in which that key has a one.
    """
    weight = _log_sum_of_turned(query, plain_key)[..., None]
    keys = F.pad(own_key, (0, 1, 0, 1))
    keys[:, :, -1, -1] = 1.0
    return torch.cat((query, weight), dim=-1), keys


def _plain_attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return attend(query, key, value, scale=1.0)


def _rows(rotary: Rotary, places: torch.Tensor) -> Rotary:
    return rotary[0][:, :, places], rotary[1][:, :, places]


def _spread(distinct: torch.Tensor, plain: torch.Tensor, *, dim: int = 2) -> torch.Tensor:
    """Frames in their order: all distinct ones but the last, the plain ones, the last."""
    head = distinct.shape[dim] - 1
    return torch.cat((distinct.narrow(dim, 0, head), plain, distinct.narrow(dim, head, 1)), dim=dim)


def _log_sum_of_turned(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """log Σ exp(q·k) over the keys, both of them one vector turned by consecutive positions: [1, heads, T].

    Scores depend on the distance alone, so every sum is one over distances ahead and one over distances behind.
    """
    ahead = (keys @ query[:, :, :1].transpose(2, 3))[..., 0].double()
    behind = (keys.flip(2) @ query[:, :, -1:].transpose(2, 3))[..., 0].double()
    peak = torch.maximum(ahead.amax(-1, keepdim=True), behind.amax(-1, keepdim=True))
    to_end = (ahead - peak).exp().cumsum(-1).flip(-1)
    from_start = (behind - peak).exp().cumsum(-1) - (behind[..., :1] - peak).exp()
    return ((to_end + from_start).log() + peak).float()
