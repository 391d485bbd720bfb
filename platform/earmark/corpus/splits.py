"""Which side a voice is on. Decided once, when it is first met, and never again.

Voices are dealt out one by one to the side that lacks most, counted in the voice's own language and dialect and in
the whole collection together: each dialect comes near 80/10/10 as soon as it has voices enough, and many dialects of
few voices still make up a test set.
"""

import hashlib
from collections.abc import Mapping

from earmark.corpus.models import Split

TARGETS: dict[Split, int] = {Split.TRAIN: 8, Split.DEV: 1, Split.TEST: 1}
"""Tenths of the voices."""


def next_split(name: str, *, alike: Mapping[str, int], everywhere: Mapping[str, int]) -> Split:
    """The side of a new voice, given how many voices each side holds: of its language and dialect, and of all.

    What is equally lacking is decided by a hash of `name`. Deterministic.
    """

    def lack(split: Split) -> tuple[int, int, bytes]:
        both = _lack(split, alike) + _lack(split, everywhere)
        return both, _lack(split, alike), hashlib.sha256(f"{split}:{name}".encode()).digest()

    return max(TARGETS, key=lack)


def split_by_content(sha256: str) -> Split:
    """The side of a recording whose speaker nobody knows: a fixed draw from the SHA-256 (hex) of its bytes."""
    drawn = int(sha256[:12], 16) / 16**12 * sum(TARGETS.values())
    for split, share in TARGETS.items():
        drawn -= share
        if drawn < 0:
            return split
    raise AssertionError("a hash is below its modulus")


def _lack(split: Split, counts: Mapping[str, int]) -> int:
    """Tenths of a voice by which `split` would be short, one more voice counted in."""
    return TARGETS[split] * (sum(counts.values()) + 1) - 10 * counts.get(split, 0)
