"""The language model as two graphs for a CPU: one reads prompts, one takes a step in every slot.

The same calls as `language_model`, whose slots and lengths these are too. The fused operator for attention looks at
each slot's own length, so rows that write for long cost the others nothing.
"""

from typing import Any

import torch

from earmark.speech.cpu_graphs import half_tables
from earmark.speech.engine import ENTROPY_CHOICES
from earmark.speech.language_model import Chosen, Pairs
from earmark.speech.onnx_graph import Graph, Run

_ATTENTION = {"do_rotary": 1, "rotary_interleaved": 0}


class GraphedLanguageModel:
    """See `language_model.LanguageModel`; built from the weights as they stand."""

    def __init__(self, model: Any) -> None:
        inner, config = model.model.language_model, model.config.text_config
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.vocabulary, self.width = int(config.vocab_size), int(config.hidden_size)
        self.depth, self.key_heads = len(inner.layers), int(config.num_key_value_heads)
        self.head_width = int(inner.layers[0].self_attn.head_dim)
        self._tables = half_tables(inner, int(config.max_position_embeddings))
        self._reading = self._graph(model, reading=True)
        self.stepping = self._graph(model, reading=False)

    def cache(self, slots: int, most: int) -> "GraphCache":
        """`slots` free slots with `most` places each."""
        return GraphCache(self, slots, most)

    def read(self, prompts: torch.Tensor, lengths: torch.Tensor) -> tuple[Chosen, Pairs]:
        """See `language_model.LanguageModel.read`."""
        rows, places, _ = prompts.shape
        kept = [
            tuple(torch.empty(rows, self.key_heads, places, self.head_width) for _ in range(2))
            for _ in range(self.depth)
        ]
        outputs = _outputs(rows)
        inputs = {
            "x": prompts.contiguous(),
            "newest": (lengths - 1).int(),
            "total": torch.tensor([places], dtype=torch.int32),
            "last": torch.arange(rows) * places + lengths - 1,
        }
        Run(self._reading, inputs, outputs | _named(kept, "new"))()
        return _choice(outputs), [(key, value) for key, value in kept]

    def _graph(self, model: Any, *, reading: bool) -> Any:
        inner, graph = model.model.language_model, Graph()
        newest = graph.input("newest", torch.int32, ("rows",))
        total = graph.input("total", torch.int32, (1,))
        if reading:
            x = graph.input("x", torch.float32, ("rows", "places", self.width))
            last = graph.input("last", torch.int64, ("rows",))
        else:
            tokens = graph.input("latest", torch.int64, ("rows", 1))
            x = graph.add("Gather", (graph.weight(inner.embed_tokens.weight), tokens))
        tables = tuple(map(graph.weight, self._tables))
        normed = _rms_norm(graph, inner.layers[0].input_layernorm, x)
        following = [layer.input_layernorm for layer in inner.layers[1:]] + [inner.norm]
        for number, (layer, norm) in enumerate(zip(inner.layers, following, strict=True)):
            attended = self._attention(
                graph, layer, normed, number, (newest, total, *tables), reading=reading
            )
            if reading and number == self.depth - 1:
                attended, x = (self._picked(graph, each, last) for each in (attended, x))
            out = _product(graph, attended, layer.self_attn.o_proj)
            normed, x = _add_and_norm(graph, layer.post_attention_layernorm, out, x)
            inside = _product(graph, normed, layer.mlp.gate_proj, layer.mlp.up_proj)
            gate, up = f"gate{number}", f"up{number}"
            graph.add("Split", (inside,), outputs=(gate, up), axis=-1)
            gated = graph.add("Mul", (graph.add("QuickGelu", (gate,), alpha=1.0), up))
            normed, x = _add_and_norm(graph, norm, _product(graph, gated, layer.mlp.down_proj), x)
        flat = graph.add("Reshape", (normed, graph.weight(torch.tensor([-1, self.width]))))
        scores = graph.add("LogSoftmax", (_product(graph, flat, model.lm_head),), axis=-1)
        few = graph.weight(torch.tensor([ENTROPY_CHOICES]))
        graph.add("TopK", (scores, few), outputs=("best", "tokens"), axis=-1)
        graph.declare("best", torch.float32, ("rows", ENTROPY_CHOICES))
        graph.declare("tokens", torch.int64, ("rows", ENTROPY_CHOICES))
        return graph.session()

    def _attention(
        self, graph: Graph, layer: Any, normed: str, number: int, rest: tuple[str, ...], *, reading: bool
    ) -> str:
        attention = layer.self_attn
        packed = _product(graph, normed, attention.q_proj, attention.k_proj, attention.v_proj)
        shape = ("rows", self.key_heads, "room", self.head_width)
        past = ["", ""]
        if not reading:
            past = [graph.input(f"{kind}{number}", torch.float32, shape) for kind in ("key", "value")]
        names = (f"attended{number}", f"newkey{number}", f"newvalue{number}")
        graph.add(
            "GroupQueryAttention",
            (packed, "", "", *past, *rest),
            outputs=names,
            num_heads=attention.q_proj.out_features // self.head_width,
            kv_num_heads=self.key_heads,
            scale=float(attention.scaling),
            **_ATTENTION,
        )
        for name in names[1:]:
            graph.declare(name, torch.float32, shape)
        return names[0]

    def _picked(self, graph: Graph, x: str, last: str) -> str:
        """[rows, 1, width] of x [rows, places, width]: each row's last place."""
        flat = graph.add("Reshape", (x, graph.weight(torch.tensor([-1, self.width]))))
        rows = graph.add("Gather", (flat, last))
        return graph.add("Reshape", (rows, graph.weight(torch.tensor([-1, 1, self.width]))))


class GraphCache:
    """Keys and values of all slots [S, heads, most, D] a layer, and `lengths` int32 [S]: where a step writes."""

    def __init__(self, model: GraphedLanguageModel, slots: int, most: int) -> None:
        self._model, self.most = model, most
        shape = (slots, model.key_heads, most, model.head_width)
        self._kept = [(torch.zeros(shape), torch.zeros(shape)) for _ in range(model.depth)]
        self.lengths = torch.zeros(slots, dtype=torch.int32)
        self._run: Run | None = None

    def fit(self, places: int) -> None:
        """Nothing: each slot is read as far as it is filled."""

    def fill(self, slots: torch.Tensor, lengths: torch.Tensor, kept: Pairs) -> None:
        """Put what was read of b prompts into `slots` [b]."""
        for pair, read in zip(self._kept, kept, strict=True):
            for each, new in zip(pair, read, strict=True):
                each[slots, :, : new.shape[2]] = new
        self.lengths[slots] = lengths.int()

    def only(self, slots: torch.Tensor) -> None:
        """Go on with these slots [s] alone, in that order."""
        self._kept = [(key[slots], value[slots]) for key, value in self._kept]
        self.lengths = self.lengths[slots]
        self._run = None

    def step(self, tokens: torch.Tensor, seen: int) -> Chosen:
        """See `language_model.LanguageModel.step`; `tokens` is the same tensor every time.

        What is chosen is overwritten by the next step.
        """
        if self._run is None:
            self._total, self._outputs = torch.zeros(1, dtype=torch.int32), _outputs(len(tokens))
            inputs = {"latest": tokens[:, None], "newest": self.lengths, "total": self._total}
            held = inputs | _named(self._kept, "")
            self._run = Run(self._model.stepping, held, self._outputs | _named(self._kept, "new"))
        self._total.fill_(seen)
        self._run()
        return _choice(self._outputs)


def _outputs(rows: int) -> dict[str, torch.Tensor]:
    return {
        "best": torch.empty(rows, ENTROPY_CHOICES),
        "tokens": torch.empty(rows, ENTROPY_CHOICES, dtype=torch.long),
    }


def _choice(outputs: dict[str, torch.Tensor]) -> Chosen:
    best = outputs["best"]
    return Chosen(outputs["tokens"][:, 0], best, torch.zeros(len(best), 1))


def _named(kept: Any, prefix: str) -> dict[str, torch.Tensor]:
    return {
        f"{prefix}{kind}{number}": each
        for number, pair in enumerate(kept)
        for kind, each in zip(("key", "value"), pair, strict=True)
    }


def _product(graph: Graph, x: str, *modules: Any) -> str:
    weight = torch.cat([module.weight for module in modules]).T
    product = graph.add("MatMul", (x, graph.weight(weight)))
    if modules[0].bias is None:
        return product
    return graph.add("Add", (product, graph.weight(torch.cat([module.bias for module in modules]))))


def _rms_norm(graph: Graph, module: Any, x: str) -> str:
    epsilon = float(module.variance_epsilon)
    return graph.add(
        "SimplifiedLayerNormalization", (x, graph.weight(module.weight)), epsilon=epsilon, axis=-1
    )


def _add_and_norm(graph: Graph, module: Any, x: str, skip: str) -> tuple[str, str]:
    """x + skip, normed and as it is."""
    names = (f"normed_{x}", "", "", f"sum_{x}")
    epsilon = float(module.variance_epsilon)
    graph.add(
        "SkipSimplifiedLayerNormalization",
        (x, skip, graph.weight(module.weight)),
        outputs=names,
        epsilon=epsilon,
    )
    return names[0], names[3]
