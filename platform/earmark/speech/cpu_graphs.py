"""The encoder's layers and the language model as graphs for a CPU, built from the library's modules as they stand."""

from collections.abc import Sequence
from typing import Any

import torch

from earmark.speech.onnx_graph import Graph, Run

_MOST_WEIGHTS = 100_000_000
"""Above this a second copy of the weights costs more memory than speed is worth."""

Rotary = tuple[torch.Tensor, torch.Tensor]


def suits(model: Any) -> bool:
    """Whether graphs can and should stand in for this model: plain, in float32 on a CPU, not large."""
    inner, tower = model.model.language_model, model.model.audio_tower
    if model.device.type != "cpu" or model.dtype != torch.float32:
        return False
    if sum(weight.numel() for weight in model.parameters()) > _MOST_WEIGHTS:
        return False
    linears = [
        m for part in (inner, tower, model.lm_head) for m in part.modules() if hasattr(m, "in_features")
    ]
    acts = {model.config.audio_config.hidden_act, model.config.text_config.hidden_act}
    return all(type(module) is torch.nn.Linear for module in linears) and acts == {"gelu", "silu"}


class EncoderGraphs:
    """What `encoder.encode` has graphs for: all layers, all but the first, and attention alone."""

    def __init__(self, tower: Any) -> None:
        attention = tower.layers[0].self_attn
        self.heads = attention.q_proj.out_features // attention.head_dim
        self.all_layers, self.later_layers = LayersGraph(tower, 0), LayersGraph(tower, 1)
        self._attention = self._attention_alone()

    def attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See `kernels.attend`, at scale 1 and without a mask."""
        query, key, value = (each.transpose(1, 2).flatten(2) for each in (query, key, value))
        out = torch.empty(*query.shape[:2], value.shape[-1])
        Run(self._attention, {"query": query, "key": key, "value": value}, {"out": out})()
        return out.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _attention_alone(self) -> Any:
        graph = Graph()
        shapes = {"query": ("clips", "places", "width"), "key": ("clips", "keys", "width")}
        inputs = [graph.input(name, torch.float32, shape) for name, shape in shapes.items()]
        value = graph.input("value", torch.float32, ("clips", "keys", "other width"))
        out = graph.add("MultiHeadAttention", (*inputs, value), num_heads=self.heads, scale=1.0)
        graph.output(out, "out", torch.float32, ("clips", "places", "other width"))
        return graph.session()


class LayersGraph:
    """The audio tower's layers from number `first` on, and its last norm."""

    def __init__(self, tower: Any, first: int) -> None:
        config = tower.config
        self._width = int(config.hidden_size)
        self._empty = len(tower.layers) == first
        graph = Graph()
        x = graph.input("x", torch.float32, ("clips", "frames", self._width))
        read = graph.input("read", torch.int64, (1,))
        positions = graph.input("positions", torch.int64, ("clips", "frames"))
        turns = tuple(map(graph.weight, half_tables(tower, int(config.max_position_embeddings))))
        layers = tower.layers[first:]
        for number, layer in enumerate(layers):
            x = self._layer(graph, layer, x, positions, turns, read if number == len(layers) - 1 else None)
        x = _layer_norm(graph, tower.norm, x)
        graph.output(x, "encoded", torch.float32, ("clips", "read", self._width))
        self._session = graph.session()

    def __call__(self, x: torch.Tensor, read: int) -> torch.Tensor:
        """The first `read` frames of output [clips, read, H] of x [clips, frames, H]."""
        clips, frames, _ = x.shape
        read = frames if self._empty else read
        out = torch.empty(clips, read, self._width)
        positions = torch.arange(frames).expand(clips, frames).contiguous()
        inputs = {"x": x.contiguous(), "read": torch.tensor([read]), "positions": positions}
        Run(self._session, inputs, {"encoded": out})()
        return out

    def _layer(self, graph: Graph, layer: Any, x: str, positions: str, turns: Any, read: str | None) -> str:
        attention = layer.self_attn
        heads = attention.q_proj.out_features // attention.head_dim
        normed = _layer_norm(graph, layer.input_layernorm, x)
        rotation = {"num_heads": heads, "rotary_embedding_dim": 2 * self._turning(layer)}
        parts = [f"{part}_{normed}" for part in ("query", "key", "value")]
        graph.add("Split", (_linears(graph, _projections(attention), normed),), outputs=parts, axis=-1)
        query, key = (
            graph.add("RotaryEmbedding", (each, positions, *turns), **rotation) for each in parts[:2]
        )
        value = parts[2]
        if read is not None:
            query, x = (_first(graph, each, read) for each in (query, x))
        attended = graph.add(
            "MultiHeadAttention", (query, key, value), num_heads=heads, scale=float(attention.scaling)
        )
        x = graph.add("Add", (x, _linear(graph, attention.o_proj, attended)))
        normed = _layer_norm(graph, layer.post_attention_layernorm, x)
        first = graph.add("MatMul", (normed, graph.weight(layer.mlp.fc1.weight.T)))
        inner = graph.add("BiasGelu", (first, graph.weight(layer.mlp.fc1.bias)))
        return graph.add("Add", (x, _linear(graph, layer.mlp.fc2, inner)))

    def _turning(self, layer: Any) -> int:
        partial = layer.self_attn.config.rope_parameters.get("partial_rotary_factor", 1.0)
        return int(layer.self_attn.head_dim * partial) // 2


def half_tables(module: Any, places: int) -> Rotary:
    """Cosine and sine [places, turning dimensions / 2]."""
    cos, sin = module.rotary_emb(torch.empty(0), position_ids=torch.arange(places)[None])
    half = cos.shape[-1] // 2
    return cos[0, :, :half], sin[0, :, :half]


def _projections(attention: Any) -> tuple[Any, Any, Any]:
    return attention.q_proj, attention.k_proj, attention.v_proj


def _linears(graph: Graph, modules: Sequence[Any], x: str) -> str:
    """The outputs of modules of one input, side by side."""
    weight = torch.cat([module.weight for module in modules]).T
    biases = [torch.zeros(module.out_features) if module.bias is None else module.bias for module in modules]
    product = graph.add("MatMul", (x, graph.weight(weight)))
    return graph.add("Add", (product, graph.weight(torch.cat(biases))))


def _linear(graph: Graph, module: Any, x: str) -> str:
    product = graph.add("MatMul", (x, graph.weight(module.weight.T)))
    return product if module.bias is None else graph.add("Add", (product, graph.weight(module.bias)))


def _layer_norm(graph: Graph, module: Any, x: str) -> str:
    weights = (graph.weight(module.weight), graph.weight(module.bias))
    return graph.add("LayerNormalization", (x, *weights), epsilon=float(module.eps), axis=-1)


def _first(graph: Graph, x: str, count: str) -> str:
    start, axis = graph.weight(torch.tensor([0])), graph.weight(torch.tensor([1]))
    return graph.add("Slice", (x, start, count, axis))
