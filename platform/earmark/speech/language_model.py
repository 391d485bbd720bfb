"""The language model of GLM-ASR over a cache of slots: prompts are read together, then every slot takes a step.

Each slot has a length of its own, so a clip can take the place of one that is finished. A step has the same shapes
whatever the slots hold, which lets it be captured as a CUDA graph; on a CPU only the filled part of the cache is
read. Equal to the library's modules to float32 rounding.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from earmark.speech.kernels import Projection, attend, rms_norm

_MASKED = -1e9

Kept = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values [b, heads, P, D] of each layer."""


class LanguageModel:
    """The library's modules of one model as they stand now; make a new one when the weights have changed."""

    def __init__(self, model: Any) -> None:
        self._inner = model.model.language_model
        self._layers = [_Layer(layer) for layer in self._inner.layers]
        self._head = Projection(model.lm_head)
        config = model.config.text_config
        self.device, self.dtype = model.device, model.dtype
        self.key_heads = int(config.num_key_value_heads)
        self.head_width = self._layers[0].width

    @property
    def depth(self) -> int:
        """How many layers."""
        return len(self._layers)

    def turns(self, places: int) -> torch.Tensor:
        """Cosine and signed sine of the rotary embedding of the first places [places, 2 D]."""
        positions = torch.arange(places, device=self.device)[None]
        probe = torch.empty(0, dtype=self.dtype, device=self.device)
        cos, sin = self._inner.rotary_emb(probe, position_ids=positions)
        half = sin.shape[-1] // 2
        return torch.cat((cos, -sin[..., :half], sin[..., half:]), dim=-1)[0]

    def read(self, prompts: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, Kept]:
        """Logits [b, V] behind prompts [b, P, H] padded on the right, of `lengths` [b]; and what a cache keeps of them.

        The keys and values of padding mean nothing.
        """
        turns = self.turns(prompts.shape[1])[None, :, None]
        x, kept = prompts, []
        for layer in self._layers[:-1]:
            query, key, value = layer.projected(x, turns)
            kept.append((key, value))
            x = layer.after_attention(x, attend(query, key, value, scale=layer.scale, causal=True))
        layer = self._layers[-1]
        query, key, value = layer.projected(x, turns)
        kept.append((key, value))
        rows, last = torch.arange(len(lengths), device=self.device), lengths - 1
        beyond = torch.arange(prompts.shape[1], device=self.device)[None] > last[:, None]
        mask = (beyond * _MASKED).to(self.dtype)[:, None, None]
        attended = attend(query[rows, :, last][:, :, None], key, value, scale=layer.scale, mask=mask)
        return self._logits(layer.after_attention(x[rows, last][:, None], attended)), kept

    def step(self, tokens: torch.Tensor, cache: "Cache", seen: int) -> torch.Tensor:
        """Write tokens [S] behind what each slot holds, at most `seen` - 1 places; logits [S, V] of what follows.

        The slots' lengths are left to the caller.
        """
        x = self._inner.embed_tokens(tokens[:, None])
        turns = cache.turns.index_select(0, cache.lengths)[:, None, None]
        mask = cache.masks.index_select(0, cache.lengths)[:, None, None, :seen]
        for layer, keys, values in zip(self._layers, cache.keys, cache.values, strict=True):
            query, key, value = layer.projected(x, turns)
            keys[cache.slots, :, cache.lengths] = key[:, :, 0]
            values[cache.slots, :, cache.lengths] = value[:, :, 0]
            attended = attend(query, keys[:, :, :seen], values[:, :, :seen], scale=layer.scale, mask=mask)
            x = layer.after_attention(x, attended)
        return self._logits(x)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        """[b, V] in float32 of the only place of x [b, 1, H]."""
        return self._head(rms_norm(self._inner.norm, x[:, 0])).float()


class _Layer:
    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.scale, self.width = float(attention.scaling), int(attention.head_dim)
        self._layer, self._act = layer, mlp.act_fn
        self._into = Projection(attention.q_proj, attention.k_proj, attention.v_proj)
        self._out = Projection(attention.o_proj)
        self._up = Projection(mlp.gate_proj, mlp.up_proj)
        self._down = Projection(mlp.down_proj)
        self._queries = attention.q_proj.out_features // self.width
        self._turning = self._queries + attention.k_proj.out_features // self.width

    def projected(
        self, x: torch.Tensor, turns: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values [b, heads, T, D] of x [b, T, H]; `turns` [b or 1, T, 1, 2 D]."""
        every = self._into(rms_norm(self._layer.input_layernorm, x)).unflatten(-1, (-1, self.width))
        turning = every[:, :, : self._turning]
        cos, sin = turns[..., : self.width], turns[..., self.width :]
        turned = torch.addcmul(turning * cos, turning.roll(self.width // 2, -1), sin)
        query, key = turned[:, :, : self._queries], turned[:, :, self._queries :]
        value = every[:, :, self._turning :]
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)

    def after_attention(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The rest of the layer, for what attention gave [b, heads, T, D]."""
        x = x + self._out(attended.transpose(1, 2).flatten(2))
        gate, up = self._up(rms_norm(self._layer.post_attention_layernorm, x)).chunk(2, dim=-1)
        return x + self._down(self._act(gate) * up)


@dataclass
class Cache:
    """Keys and values of all slots, one [S, heads, room, D] a layer, and how much of each slot is filled.

    `lengths` int64 [S]: what a step writes comes to that place. `turns` [room, 2 D]: see `LanguageModel.turns`;
    `masks` [room, room]: row n is added to the scores of a slot whose newest place is n.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    lengths: torch.Tensor
    slots: torch.Tensor
    turns: torch.Tensor
    masks: torch.Tensor

    @classmethod
    def empty(cls, model: LanguageModel, slots: int, room: int) -> "Cache":
        """`slots` free slots of `room` places."""
        device, dtype = model.device, model.dtype
        shape = (slots, model.key_heads, room, model.head_width)
        later = torch.ones(room, room, dtype=torch.bool, device=device).triu(1)
        return cls(
            [torch.zeros(shape, dtype=dtype, device=device) for _ in range(model.depth)],
            [torch.zeros(shape, dtype=dtype, device=device) for _ in range(model.depth)],
            torch.zeros(slots, dtype=torch.long, device=device),
            torch.arange(slots, device=device),
            model.turns(room),
            torch.zeros(room, room, dtype=dtype, device=device).masked_fill_(later, _MASKED),
        )

    @property
    def room(self) -> int:
        """Places of a slot."""
        return int(self.turns.shape[0])

    def fill(self, slots: torch.Tensor, lengths: torch.Tensor, kept: Kept) -> None:
        """Put what was read of b prompts into `slots` [b]."""
        for keys, values, (key, value) in zip(self.keys, self.values, kept, strict=True):
            places = key.shape[2]
            keys[slots, :, :places] = key
            values[slots, :, :places] = value
        self.lengths[slots] = lengths

    def only(self, slots: torch.Tensor, seen: int) -> "Cache":
        """A smaller cache of these slots [s], of which `seen` places are taken over."""
        more = (0, 0, 0, self.room - seen)
        return Cache(
            [F.pad(each[slots, :, :seen], more) for each in self.keys],
            [F.pad(each[slots, :, :seen], more) for each in self.values],
            self.lengths[slots],
            torch.arange(len(slots), device=self.slots.device),
            self.turns,
            self.masks,
        )
