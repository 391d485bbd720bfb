"""Texts that are not what is said, made of those that are: what a check of texts against audio has to find."""

from collections.abc import Sequence
from random import Random

from earmark.speech.spelling import spell


def swapped(texts: Sequence[str], rng: Random) -> list[str]:
    """Each text replaced by a different one of them, drawn by `rng`; the same where there is no other."""
    different = sorted(set(texts))
    return [_another(text, different, rng) for text in texts]


def _another(text: str, different: Sequence[str], rng: Random) -> str:
    """One of `different` sorted texts that is not `text`; the text twice where there is no other."""
    others = len(different) - 1
    if others < 1:
        return f"{text} {text}"
    place = rng.randrange(others)
    return different[place] if different[place] < text else different[place + 1]


def shortened(texts: Sequence[str], rng: Random) -> list[str]:
    """Each text with a word left out; one of a single word is swapped."""
    different = sorted(set(texts))
    return [_without_one(text, different, rng) for text in texts]


def lengthened(texts: Sequence[str], rng: Random) -> list[str]:
    """Each text with a word of another put into it."""
    pool = sorted({word.text for text in texts for word in spell(text)})
    found = []
    for text in texts:
        words = [word.text for word in spell(text)]
        words.insert(rng.randint(0, len(words)), rng.choice(pool))
        found.append(" ".join(words))
    return found


def _without_one(text: str, different: Sequence[str], rng: Random) -> str:
    words = [word.text for word in spell(text)]
    if len(words) < 2:
        return _another(text, different, rng)
    words.pop(rng.randrange(len(words)))
    return " ".join(words)
