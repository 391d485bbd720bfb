"""The language model of GLM-ASR over a cache of slots: prompts are read together, then every slot takes a step.

Each slot has a length of its own, so a clip can take the place of one that is finished. A step has the same shapes
whatever the slots hold, which lets it be captured as a CUDA graph; on a CPU only the filled part of the cache is
read. Equal to the library's modules to float32 rounding.
"""

from typing import Any, NamedTuple

import torch

from earmark.speech.engine import ENTROPY_CHOICES
from earmark.speech.kernels import Projection, RmsNorm, attend

_MASKED = -1e9
_GROWTH = 8
_SLACK = 40
"""Places: by how many more than needed a cache grows, and how many too many it may have."""

Turns = tuple[torch.Tensor, torch.Tensor]
"""Cosine and signed sine."""
Pairs = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values [b, heads, P, D] of each layer."""


class Chosen(NamedTuple):
    """The likeliest token int64 [b]; float32 [b, k] the scores of the likeliest k, highest first; [b, 1] the
    log-sum-exp of all.
    """

    tokens: torch.Tensor
    best: torch.Tensor
    norm: torch.Tensor


def chosen(scores: torch.Tensor) -> Chosen:
    """The choice among scores [b, V]."""
    best, tokens = scores.topk(ENTROPY_CHOICES, dim=-1)
    norm = scores.sub(best[:, :1]).exp_().sum(-1, keepdim=True).log_().add_(best[:, :1])
    first = tokens[:, 0] if scores.device.type == "cpu" else scores.argmax(-1)
    return Chosen(first, best, norm)


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

    def cache(self, slots: int, most: int) -> "Cache":
        """`slots` free slots with `most` places each."""
        return Cache(self, slots, most)

    def read(self, prompts: torch.Tensor, lengths: torch.Tensor) -> tuple[Chosen, Pairs]:
        """What is chosen to follow prompts [b, P, H] padded on the right, of `lengths` [b]; what a cache keeps of them.

        The keys and values of padding mean nothing.
        """
        turns = _halves(self.turns(prompts.shape[1])[None, :, None])
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
        return chosen(self._logits(layer.after_attention(x[rows, last][:, None], attended))), kept

    def step(self, tokens: torch.Tensor, cache: "Cache", seen: int) -> Chosen:
        """Write tokens [S] behind what each slot holds, at most `seen` - 1 places; what is chosen to follow.

        The slots' lengths are left to the caller.
        """
        x = self._inner.embed_tokens(tokens)[:, None]
        turns = _halves(cache.turns.index_select(0, cache.lengths)[:, None, None])
        mask = cache.masks.index_select(0, cache.lengths)[:, None, None, :seen]
        at = (cache.starts + cache.lengths[:, None]).flatten()
        for layer, (keys, values), flat in zip(self._layers, cache.seen(seen), cache.flat, strict=True):
            query, newest = layer.next(x, turns)
            flat.index_copy_(0, at, newest)
            x = layer.after_attention(x, attend(query, keys, values, scale=layer.scale, mask=mask))
        return chosen(self._logits(x))

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

    def projected(self, x: torch.Tensor, turns: Turns) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values [b, heads, T, D] of x [b, T, H]; `turns` two [b or 1, T, 1, D]."""
        every = self._turned(x, turns).transpose(1, 2)
        parts = (self._queries, self._turning - self._queries, every.shape[1] - self._turning)
        query, key, value = every.split(parts, dim=1)
        return query, key, value

    def next(self, x: torch.Tensor, turns: Turns) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries [b, heads, 1, D], and keys and values [b x 2 key heads, D], of x [b, 1, H]."""
        every = self._turned(x, turns)[:, 0]
        return every[:, : self._queries, None], every[:, self._queries :].reshape(-1, self.width)

    def after_attention(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The rest of the layer, for what attention gave [b, heads, T, D]."""
        x = x + self._out(attended.transpose(1, 2).flatten(2))
        gate, up = self._up(self._between(x)).chunk(2, dim=-1)
        return x + self._down(self._act(gate) * up)

    def _turned(self, x: torch.Tensor, turns: Turns) -> torch.Tensor:
        """Queries, keys, values [b, T, heads, D]; the first two turned."""
        every = self._into(self._before(x)).view(*x.shape[:-1], -1, self.width)
        turning, (cos, sin) = every[:, :, : self._turning], turns
        across = turning.roll(self.width // 2, -1)
        turning.mul_(cos).addcmul_(across, sin)
        return every


def _halves(turns: torch.Tensor) -> Turns:
    cos, sin = turns.chunk(2, dim=-1)
    return cos, sin


class Cache:
    """Keys and values of all slots, and how much of each slot is filled.

    `lengths` int64 [S]: what a step writes comes to that place. `turns` [most, 2 D]: see `LanguageModel.turns`;
    `masks` [most, most]: row n is added to the scores of a slot whose newest place is n. `flat`: a layer's keys and
    values [S x 2 heads x room, D], keys of a slot before its values; `starts` [S, 2 heads]: where each begins.
    """

    def __init__(self, model: LanguageModel, slots: int, most: int) -> None:
        """`slots` free slots with `most` places each."""
        device, dtype = model.device, model.dtype
        self._model = model
        self._slots, self._rows, self._width = slots, 2 * model.key_heads, model.head_width
        numbers = slots * self._rows * most * self._width
        self._now = [torch.zeros(numbers, dtype=dtype, device=device) for _ in range(model.depth)]
        self._spare: list[torch.Tensor] = []
        self.lengths = torch.zeros(slots, dtype=torch.long, device=device)
        self.turns = model.turns(most)
        later = torch.ones(most, most, dtype=torch.bool, device=device).triu(1)
        self.masks = torch.zeros(most, most, dtype=dtype, device=device).masked_fill_(later, _MASKED)
        self._seen: tuple[int, Pairs] = (0, [])
        self._lay_out(most)

    @property
    def most(self) -> int:
        """Places a slot can have."""
        return int(self.turns.shape[0])

    def step(self, tokens: torch.Tensor, seen: int) -> Chosen:
        """See `LanguageModel.step`."""
        return self._model.step(tokens, self, seen)

    def fit(self, places: int) -> None:
        """See that every slot has room for so many places and little more: what lies close is read twice as fast."""
        if self.room - _SLACK < places <= self.room:
            return
        kept, old = min(places, self.room), self._layers
        self._turn_over()
        self._lay_out(min(self.most, places + _GROWTH))
        for new, before in zip(self._layers, old, strict=True):
            new[:, :, :kept] = before[:, :, :kept]

    def seen(self, places: int) -> Pairs:
        """Each layer's keys and values of the first places [S, heads, places, D]."""
        if self._seen[0] != places:
            halves = [each[:, :, :places].chunk(2, dim=1) for each in self._layers]
            self._seen = (places, [(keys, values) for keys, values in halves])
        return self._seen[1]

    def fill(self, slots: torch.Tensor, lengths: torch.Tensor, kept: Pairs) -> None:
        """Put what was read of b prompts into `slots` [b]; there must be room."""
        for layer, pair in zip(self._layers, kept, strict=True):
            both = torch.cat(pair, dim=1)
            layer[slots, :, : both.shape[2]] = both
        self.lengths[slots] = lengths

    def only(self, slots: torch.Tensor) -> None:
        """Go on with these slots [s] alone, ascending, in that order."""
        room, old = self.room, self._layers
        self._slots = len(slots)
        self._turn_over()
        self._lay_out(room)
        for new, before in zip(self._layers, old, strict=True):
            torch.index_select(before, 0, slots, out=new)
        self.lengths = self.lengths[slots]

    def _turn_over(self) -> None:
        """Write into the other half of the memory; there is one only where it was ever needed."""
        self._spare = self._spare or [torch.zeros_like(each) for each in self._now]
        self._now, self._spare = self._spare, self._now

    def _lay_out(self, room: int) -> None:
        shape = (self._slots, self._rows, room, self._width)
        numbers = self._slots * self._rows * room * self._width
        self.room = room
        self._layers = [each[:numbers].view(shape) for each in self._now]
        self.flat = [each.view(-1, self._width) for each in self._layers]
        starts = torch.arange(0, self._slots * self._rows * room, room, device=self.lengths.device)
        self.starts = starts.view(self._slots, self._rows)
        self._seen = (0, [])
