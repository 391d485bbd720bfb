"""Pools of arrays for tests of strategies."""

import numpy as np

from annotation.acquisition import KeptVectors, Pool

DIRECTIONS = 16


def make_pool(n: int, seed: int = 0, **columns: object) -> Pool:
    """`n` clips of everything there is, drawn with `seed`; `columns` replace those drawn."""
    rng = np.random.default_rng(seed)
    defaults: dict[str, object] = {
        "seconds": rng.uniform(0.3, 12.0, n),
        "confidence": rng.random(n),
        "characters": rng.integers(1, 60, n),
        "language": rng.integers(0, 3, n),
        "speaker": rng.integers(-1, 8, n),
        "flags": {"silence": rng.random(n) < 0.05, "loop": rng.random(n) < 0.1},
        "features": {
            "mean_entropy": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(0.3, n)),
            "min_word_logprob": -rng.exponential(1.0, n),
        },
        "embeddings": KeptVectors(rng.standard_normal((n, DIRECTIONS)).astype(np.float16)),
    }
    return Pool(**(defaults | columns))  # type: ignore[arg-type]


def clouds(counts: list[int], seed: int = 0, *, width: float = 0.15) -> np.ndarray:
    """Embeddings float32 [sum of counts, DIRECTIONS] around as many centres, one cloud after another."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((len(counts), DIRECTIONS))
    of = np.repeat(np.arange(len(counts)), counts)
    made = centres[of] + width * rng.standard_normal((len(of), DIRECTIONS))
    return made.astype(np.float32)
