"""Annotators made up with an error rate of their own, and what they write of clips whose text is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from annotation.agreement import Overlapped
from earmark.demo.mistakes import mistype
from earmark.speech.demo_phrases import phrase
from earmark.speech.text import units

DIALECTS: Mapping[str, Sequence[str]] = {
    "en": ("american", "scottish", "caribbean"),
    "zh": ("mandarin",),
}
RATES = (0.015, 0.025, 0.04, 0.06, 0.09, 0.13)
"""How often made-up annotators err per word or character: from careful to careless."""
KINDS = (("substituted", 0.4), ("typed wrong", 0.3), ("left out", 0.2), ("added", 0.1))
HARD_SHARE = 0.03
"""Share of the words that are hard: everyone errs on them `HARDER` times as often, mostly in the same way."""
HARDER = 4.0
ALIKE = 0.6
FILLERS = {"en": ("the", "um", "a", "please", "now"), "zh": ("的", "呢", "啊", "了", "吧")}


@dataclass(frozen=True)
class Labelled:
    """A clip with its true text and what people wrote of it."""

    truth: str
    said: Overlapped


def labelled_clips(
    language: str, count: int, *, people: int, seed: int, rates: Sequence[float] = RATES
) -> list[Labelled]:
    """`count` clips of one to three sentences, each labelled by `people` of as many annotators as there are rates."""
    rng = Random(f"{seed}:labels:{language}")
    truths = [_text(language, rng) for _ in range(count)]
    words = sorted({unit for text in truths for unit in units(text, language)})
    hard = {word: rng.choice(words) for word in rng.sample(words, max(1, round(HARD_SHARE * len(words))))}
    found = []
    for number, truth in enumerate(truths):
        chosen = sorted(rng.sample(range(len(rates)), people))
        texts = {f"p{one}": mistaken(truth, language, rates[one], hard, words, rng) for one in chosen}
        found.append(Labelled(truth, Overlapped(number, language, texts)))
    return found


def mistaken(
    text: str, language: str, rate: float, hard: Mapping[str, str], words: Sequence[str], rng: Random
) -> str:
    """`text` as somebody writes it who errs on `rate` of its words or characters, on the hard ones more."""
    written: list[str] = []
    for unit in units(text, language):
        chance = rate * HARDER if unit in hard else rate
        if rng.random() >= chance:
            written.append(unit)
        elif unit in hard and rng.random() < ALIKE:
            written.append(hard[unit])
        else:
            written += _slip(unit, language, words, rng)
    return ("" if language in ("zh", "yue") else " ").join(written)


def _slip(unit: str, language: str, words: Sequence[str], rng: Random) -> list[str]:
    kind = rng.choices([name for name, _ in KINDS], [share for _, share in KINDS])[0]
    match kind:
        case "left out":
            return []
        case "added":
            return [unit, rng.choice(FILLERS[language])]
        case "typed wrong":
            typed = units(mistype(unit, rng, rate=0.5), language)
            return typed if typed != [unit] else [rng.choice(words)]
    return [rng.choice(words)]


def _text(language: str, rng: Random) -> str:
    parts = [phrase(rng.choice(DIALECTS[language]), rng).reference for _ in range(rng.randint(1, 3))]
    return ("" if language in ("zh", "yue") else " ").join(parts)
