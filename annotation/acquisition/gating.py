"""What nobody should be asked, as far as can be known: no speech, other languages, what people refused before."""

import numpy as np

from annotation.acquisition.pool import Booleans, Floats, Integers, Pool, Vectors

NOT_SPEECH = ("silence", "no_speech")
"""Flags of clips in which nothing is to be heard, whatever the model wrote."""
REFERENCES = 1_200
"""Clips of each stated language that others are held against."""
NEIGHBOURS = 15
LIKELY = 0.25
"""A clip that people refuse with this chance or more is not asked."""
_ANSWERS = 3
_SHARPNESS = 4
_PARDON = 0.05
"""What weighs against a refusal: of clips far from every answered one little is believed."""
_BLOCK = 2_048


def is_speech(pool: Pool) -> Booleans:
    """Clips that are not flagged as holding none."""
    return ~pool.flagged(*NOT_SPEECH)


def references(pool: Pool, rng: np.random.Generator) -> Integers:
    """Positions of at most REFERENCES clips of each stated language, drawn at random."""
    found = []
    for language in np.unique(pool.language):
        of_it = np.flatnonzero(pool.language == language)
        found.append(
            of_it if len(of_it) <= REFERENCES else np.sort(rng.choice(of_it, REFERENCES, replace=False))
        )
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def misplaced(
    vectors: Vectors, language: Integers, known: Vectors, known_language: Integers, *, itself: Integers
) -> Floats:
    """How unlike its stated language each clip [n] sounds, in 0..1, by the languages stated of the clips nearest to it.

    The NEIGHBOURS nearest among `known` vote by squared similarity, each language as if all were equally frequent:
    among clips said to be of many languages, speech of none of them has neighbours of all. One that is said to be of
    the right language by chance has neighbours that are not, so their mean counts half. `itself`: the place of each
    clip among `known`, -1 where it is not one of them. Every one of `language` is among the known. 0 where there is
    one language.
    """
    kinds, code = np.unique(known_language, return_inverse=True)
    if len(kinds) < 2:
        return np.zeros(len(vectors))
    shares = np.eye(len(kinds))[code] / np.bincount(code)
    of_known = _to_others(_means(known, known, shares, itself=np.arange(len(known))), code)
    means = _means(vectors, known, np.column_stack([shares, of_known]), itself=itself)
    own = _to_others(means[:, :-1], np.searchsorted(kinds, language))
    return np.clip((own + means[:, -1]) / 2, 0.0, 1.0)


def _to_others(votes: Floats, own: Integers) -> Floats:
    """The share [n] of votes [n, languages] that do not go to the language `own` [n]."""
    share: Floats = 1.0 - votes[np.arange(len(own)), own] / np.maximum(votes.sum(axis=1), 1e-12)
    return share


def _means(vectors: Vectors, known: Vectors, columns: Floats, *, itself: Integers) -> Floats:
    """Over the NEIGHBOURS nearest among `known`, by squared similarity, the means [n, c] of `columns` [m, c]."""
    found = np.zeros((len(vectors), columns.shape[1]))
    for start in range(0, len(vectors), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(vectors)))
        similar = vectors[rows] @ known.T
        inside = itself[rows] >= 0
        similar[inside.nonzero()[0], itself[rows[inside]]] = -1
        weight = _of_nearest(similar, NEIGHBOURS, 2)
        found[rows] = weight @ columns / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    return found


def refused_alike(vectors: Vectors, answered: Vectors, refused: Booleans) -> Floats:
    """How likely people refuse each clip [n], in 0..1, by what they said of the answered clips nearest to it."""
    found = np.zeros(len(vectors))
    if not refused.any():
        return found
    for start in range(0, len(vectors), _BLOCK):
        weight = _of_nearest(vectors[start : start + _BLOCK] @ answered.T, _ANSWERS, _SHARPNESS)
        found[start : start + _BLOCK] = weight[:, refused].sum(axis=1) / (weight.sum(axis=1) + _PARDON)
    return found


def _of_nearest(similar: Vectors, count: int, power: int) -> Floats:
    """The similarities [n, m] of the `count` most similar, raised to a power; 0 for all others and below 0."""
    count = min(count, similar.shape[1])
    least = np.partition(similar, similar.shape[1] - count, axis=1)[:, -count, None]
    kept: Floats = np.where(similar >= np.maximum(least, 0.0), similar, 0.0) ** power
    return kept
