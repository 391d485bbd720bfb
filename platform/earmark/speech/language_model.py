"""The language model of GLM-ASR with a cache of fixed size: a prompt in one go, then a token a step.

The same step runs on a CPU, where only the filled part of the cache is read, and on CUDA, where every shape stays the
same so that it can be captured as a graph. Equal to the library's modules to float32 rounding.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch

from earmark.speech.kernels import attend, linear

_MASKED = -1e9


@dataclass
class Cache:
    """Keys and values of the rows of a batch, whose prompts are padded on the left to the same length.

    `keys`, `values`: one [B, heads, room, D] a layer. `mask` [B, 1, 1, room] is added to scores: `_MASKED` before a
    row's prompt. `turns` [B, room, 2 D]: cosine and signed sine of each place. `filled`: places written so far.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    mask: torch.Tensor
    turns: torch.Tensor
    filled: int
    padded: bool

    @property
    def rows(self) -> int:
        """How many rows are left."""
        return int(self.mask.shape[0])

    @classmethod
    def for_prompts(cls, model: Any, lengths: list[int], room: int, dtype: torch.dtype) -> Self:
        """An empty cache for prompts of those lengths; `room` is the places of the longest and all that follows."""
        config, device = model.config.text_config, model.device
        heads = config.num_key_value_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (len(lengths), heads, room, width)
        skipped = (max(lengths) - torch.tensor(lengths))[:, None]
        places = torch.arange(room)[None]
        mask = torch.where(places < skipped, _MASKED, 0.0)[:, None, None].to(device, dtype)
        positions = (places - skipped).clamp(min=0).to(device)
        return cls(
            [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_hidden_layers)],
            [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.num_hidden_layers)],
            mask,
            _turns(model, positions, dtype),
            0,
            len(set(lengths)) > 1,
        )

    def keep(self, rows: torch.Tensor) -> None:
        """Only these rows [B'], ascending, are left; what is filled of them is moved together."""
        count = len(rows)
        for each in (*self.keys, *self.values):
            each[:count, :, : self.filled] = each[rows, :, : self.filled]
        self.keys = [each[:count] for each in self.keys]
        self.values = [each[:count] for each in self.values]
        self.mask, self.turns = self.mask[rows], self.turns[rows]


def prefill(model: Any, cache: Cache, prompts: torch.Tensor) -> torch.Tensor:
    """Read prompts [B, P, H], padded on the left, into an empty cache; logits [B, V] of what follows."""
    places = prompts.shape[1]
    mask = None
    if cache.padded:
        later = torch.ones(places, places, dtype=torch.bool, device=prompts.device).triu(1)
        mask = cache.mask[..., :places] + later * _MASKED
    cache.filled = places
    turns = cache.turns[:, None, :places]
    x = prompts
    layers = model.model.language_model.layers
    for number, layer in enumerate(layers):
        query, normed = _read(layer, x, turns)
        _store(cache, number, layer, normed, turns, slice(0, places))
        key, value = cache.keys[number][:, :, :places], cache.values[number][:, :, :places]
        scale, seen = layer.self_attn.scaling, mask
        if number == len(layers) - 1:
            x, query = x[:, -1:], query[:, :, -1:]
            seen = cache.mask[..., :places] if cache.padded else None
            attended = attend(query, key, value, scale=scale, mask=seen)
        else:
            attended = attend(query, key, value, scale=scale, mask=seen, causal=mask is None)
        x = _after_attention(layer, x, attended)
    return _logits(model, x)


def step(model: Any, cache: Cache, tokens: torch.Tensor) -> torch.Tensor:
    """Write tokens [B] behind what the cache holds; logits [B, V] of what follows."""
    place = cache.filled
    cache.filled = place + 1
    return _step(model, cache, tokens, slice(place, place + 1), slice(0, place + 1), masked=cache.padded)


def _step(
    model: Any, cache: Cache, tokens: torch.Tensor, at: slice, seen: slice, *, masked: bool
) -> torch.Tensor:
    language_model = model.model.language_model
    x = language_model.embed_tokens(tokens[:, None])
    turns = cache.turns[:, None, at]
    mask = cache.mask[..., seen] if masked else None
    for number, layer in enumerate(language_model.layers):
        query, normed = _read(layer, x, turns)
        _store(cache, number, layer, normed, turns, at)
        key, value = cache.keys[number][:, :, seen], cache.values[number][:, :, seen]
        x = _after_attention(layer, x, attend(query, key, value, scale=layer.self_attn.scaling, mask=mask))
    return _logits(model, x)


def _read(layer: Any, x: torch.Tensor, turns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries [B, heads, S, D] of x [B, S, H], and x normed."""
    normed = layer.input_layernorm(x)
    attention = layer.self_attn
    return _turned(_heads(linear(attention.q_proj, normed), attention), turns), normed


def _store(
    cache: Cache, number: int, layer: Any, normed: torch.Tensor, turns: torch.Tensor, at: slice
) -> None:
    attention = layer.self_attn
    cache.keys[number][:, :, at] = _turned(_heads(linear(attention.k_proj, normed), attention), turns)
    cache.values[number][:, :, at] = _heads(linear(attention.v_proj, normed), attention)


def _after_attention(layer: Any, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    x = x + linear(layer.self_attn.o_proj, attended.transpose(1, 2).flatten(2))
    mlp, normed = layer.mlp, layer.post_attention_layernorm(x)
    inner = mlp.act_fn(linear(mlp.gate_proj, normed)).mul_(linear(mlp.up_proj, normed))
    return x + linear(mlp.down_proj, inner)


def _logits(model: Any, x: torch.Tensor) -> torch.Tensor:
    last = model.model.language_model.norm(x[:, -1])
    return linear(model.lm_head, last).float()


def _heads(x: torch.Tensor, attention: Any) -> torch.Tensor:
    return x.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)


def _turned(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of x [B, heads, S, D] by `turns` [B, 1, S, 2 D]."""
    cos, sin = turns.chunk(2, dim=-1)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def _turns(model: Any, positions: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    probe = torch.empty(0, dtype=dtype, device=positions.device)
    cos, sin = model.model.language_model.rotary_emb(probe, position_ids=positions)
    half = sin.shape[-1] // 2
    return torch.cat((cos, -sin[..., :half], sin[..., half:]), dim=-1)
