"""The language model of GLM-ASR over a cache of slots: prompts are read together, then every slot takes a step.

Each slot has a length of its own, so a clip can take the place of one that is finished. A step has the same shapes
whatever the slots hold, which lets it be captured as a CUDA graph; on a CPU only the filled part of the cache is
read. Equal to the library's modules to float32 rounding.
"""

from typing import Any, Self

import torch
from torch.nn import functional as F

from earmark.speech.kernels import Projection, RmsNorm, attend

_MASKED = -1e9

Kept = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values [b, heads, P, D] of each layer."""


class LanguageModel:
    """The library's modules of one model as they stand now; make a new one when the weights have changed."""

    def __init__(self, model: Any) -> None:
        self._inner = model.model.language_model
        self._layers = [_Layer(layer) for layer in self._inner.layers]
        self._norm = RmsNorm(self._inner.norm)
        self._head = Projection(model.lm_head)
        config = model.config.text_config
        self.device, self.dtype = model.device, model.dtype
        self.vocabulary = int(config.vocab_size)
        self.key_heads = int(config.num_key_value_heads)
        self.head_width = self._layers[0].width

    @property
    def depth(self) -> int:
        """How many layers."""
        return len(self._layers)

    @property
    def bytes_per_place(self) -> int:
        """What a cache takes for one place of one slot."""
        return 2 * self.depth * self.key_heads * self.head_width * self.dtype.itemsize

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
        x = self._inner.embed_tokens(tokens)[:, None]
        turns = cache.turns.index_select(0, cache.lengths)[:, None, None]
        mask = cache.masks.index_select(0, cache.lengths)[:, None, None, :seen]
        at = (cache.starts + cache.lengths[:, None]).flatten()
        for layer, (keys, values), flat in zip(self._layers, cache.seen(seen), cache.flat, strict=True):
            query, newest = layer.next(x, turns)
            flat.index_copy_(0, at, newest)
            x = layer.after_attention(x, attend(query, keys, values, scale=layer.scale, mask=mask))
        return self._logits(x)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        """[b, V] in float32 of the only place of x [b, 1, H]."""
        return self._head(self._norm(x[:, 0])).float()


class _Layer:
    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.scale, self.width = float(attention.scaling), int(attention.head_dim)
        self._before, self._between = RmsNorm(layer.input_layernorm), RmsNorm(layer.post_attention_layernorm)
        self._into = Projection(attention.q_proj, attention.k_proj, attention.v_proj)
        self._out = Projection(attention.o_proj)
        self._up = Projection(mlp.gate_proj, mlp.up_proj)
        self._act = mlp.act_fn
        self._down = Projection(mlp.down_proj)
        self._queries = attention.q_proj.out_features // self.width
        self._turning = self._queries + attention.k_proj.out_features // self.width

    def projected(
        self, x: torch.Tensor, turns: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values [b, heads, T, D] of x [b, T, H]; `turns` [b or 1, T, 1, 2 D]."""
        every = self._turned(x, turns).transpose(1, 2)
        parts = (self._queries, self._turning - self._queries, every.shape[1] - self._turning)
        query, key, value = every.split(parts, dim=1)
        return query, key, value

    def next(self, x: torch.Tensor, turns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries [b, heads, 1, D], and keys and values [b x 2 key heads, D], of x [b, 1, H]."""
        every = self._turned(x, turns)[:, 0]
        return every[:, : self._queries, None], every[:, self._queries :].reshape(-1, self.width)

    def after_attention(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The rest of the layer, for what attention gave [b, heads, T, D]."""
        x = x + self._out(attended.transpose(1, 2).flatten(2))
        gate, up = self._up(self._between(x)).chunk(2, dim=-1)
        return x + self._down(self._act(gate) * up)

    def _turned(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        """Queries, keys, values [b, T, heads, D]; the first two turned."""
        every = self._into(self._before(x)).unflatten(-1, (-1, self.width))
        turning = every[:, :, : self._turning]
        cos, sin = turns.chunk(2, dim=-1)
        turning.copy_(torch.addcmul(turning * cos, turning.roll(self.width // 2, -1), sin))
        return every


class Cache:
    """Keys and values of all slots, and how much of each slot is filled.

    `lengths` int64 [S]: what a step writes comes to that place. `turns` [room, 2 D]: see `LanguageModel.turns`;
    `masks` [room, room]: row n is added to the scores of a slot whose newest place is n. `flat`: a layer's keys and
    values [S x 2 heads x room, D], keys of a slot before its values; `starts` [S, 2 heads]: where each begins.
    """

    def __init__(self, layers: list[torch.Tensor], turns: torch.Tensor, masks: torch.Tensor) -> None:
        self._layers, self.turns, self.masks = layers, turns, masks
        slots, rows, room, width = layers[0].shape
        self.lengths = torch.zeros(slots, dtype=torch.long, device=turns.device)
        self.starts = torch.arange(0, slots * rows * room, room, device=turns.device).view(slots, rows)
        self.flat = [each.view(-1, width) for each in layers]
        self._seen: tuple[int, list[tuple[torch.Tensor, torch.Tensor]]] = (0, [])

    @classmethod
    def empty(cls, model: LanguageModel, slots: int, room: int) -> Self:
        """`slots` free slots of `room` places."""
        device, dtype = model.device, model.dtype
        shape = (slots, 2 * model.key_heads, room, model.head_width)
        later = torch.ones(room, room, dtype=torch.bool, device=device).triu(1)
        masks = torch.zeros(room, room, dtype=dtype, device=device).masked_fill_(later, _MASKED)
        layers = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(model.depth)]
        return cls(layers, model.turns(room), masks)

    @property
    def room(self) -> int:
        """Places of a slot."""
        return int(self.turns.shape[0])

    def seen(self, places: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each layer's keys and values of the first places [S, heads, places, D], to look at and to write to."""
        if self._seen[0] != places:
            halves = [each[:, :, :places].chunk(2, dim=1) for each in self._layers]
            self._seen = (places, [(keys, values) for keys, values in halves])
        return self._seen[1]

    def fill(self, slots: torch.Tensor, lengths: torch.Tensor, kept: Kept) -> None:
        """Put what was read of b prompts into `slots` [b]."""
        for layer, pair in zip(self._layers, kept, strict=True):
            both = torch.cat(pair, dim=1)
            layer[slots, :, : both.shape[2]] = both
        self.lengths[slots] = lengths

    def only(self, slots: torch.Tensor, seen: int) -> "Cache":
        """A smaller cache of these slots [s], of which `seen` places are taken over."""
        more = (0, 0, 0, self.room - seen)
        smaller = Cache([F.pad(each[slots, :, :seen], more) for each in self._layers], self.turns, self.masks)
        smaller.lengths.copy_(self.lengths[slots])
        return smaller
