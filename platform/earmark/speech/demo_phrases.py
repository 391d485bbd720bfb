"""What demo speakers say: numbers and short commands, in English, Mandarin and Cantonese.

Cantonese is written in simplified characters, the colloquial words (`啲`, `而家`, `畀`) as people write them;
numbers and most commands share their characters with Mandarin, so what differs is the sound.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from earmark.speech.errors import EarmarkError

_ONES_EN = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS_EN = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_DIGITS_ZH = "零一二三四五六七八九"
_HELD_OUT_EVERY = 8


class Phrase(NamedTuple):
    """What the synthesiser is given, and what a careful annotator writes."""

    say: str
    reference: str


_TEMPLATES: Mapping[str, Sequence[tuple[int, str]]] = {
    "en": (
        (6, "{number}"),
        (5, "{digits}"),
        (4, "turn on the {device}"),
        (4, "turn off the {device}"),
        (2, "open the {opening}"),
        (2, "close the {opening}"),
        (3, "set the alarm for {hour}"),
        (2, "wake me at {hour}"),
        (2, "call {person}"),
        (2, "call room {number}"),
        (2, "channel {number}"),
        (2, "volume {number}"),
        (2, "go to page {number}"),
        (1, "play the next song"),
        (1, "stop the music"),
        (2, "go {direction}"),
    ),
    "zh": (
        (6, "{number}"),
        (5, "{digits}"),
        (4, "打开{device}"),
        (4, "关上{device}"),
        (3, "{hour}点叫我"),
        (3, "设{hour}点的闹钟"),
        (2, "打电话给{person}"),
        (2, "{number}号房"),
        (2, "第{number}台"),
        (2, "音量{number}"),
        (1, "下一首歌"),
        (1, "播放音乐"),
        (1, "停止音乐"),
        (1, "大声一点"),
        (1, "小声一点"),
        (2, "向{direction}走"),
        (1, "现在几点"),
        (1, "今天几号"),
    ),
    "yue": (
        (6, "{number}"),
        (5, "{digits}"),
        (4, "开{device}"),
        (4, "关{device}"),
        (3, "{hour}点叫我"),
        (3, "设{hour}点嘅闹钟"),
        (2, "打电话畀{person}"),
        (2, "{number}号房"),
        (2, "第{number}台"),
        (2, "音量{number}"),
        (1, "下一首歌"),
        (1, "播放音乐"),
        (1, "停止音乐"),
        (1, "大声啲"),
        (1, "细声啲"),
        (2, "转{direction}"),
        (1, "而家几点"),
        (1, "今日几号"),
    ),
}

_CHOICES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "en": {
        "device": ("light", "fan", "radio", "music"),
        "opening": ("door", "window"),
        "person": ("mom", "dad"),
        "direction": ("left", "right", "up", "down"),
    },
    "zh": {
        "device": ("灯", "电视", "空调", "门", "窗"),
        "person": ("爸爸", "妈妈"),
        "direction": ("左", "右", "上", "下"),
    },
    "yue": {
        "device": ("灯", "电视", "冷气", "门", "窗"),
        "person": ("爸爸", "妈妈"),
        "direction": ("左", "右"),
    },
}

LANGUAGES = tuple(_TEMPLATES)


def phrase(language: str, rng: Random) -> Phrase:
    """A phrase drawn with `rng`: about half numbers, half commands, several thousand different ones.

    Raises EarmarkError `demo:language:unknown`.
    """
    if language not in _TEMPLATES:
        raise EarmarkError(
            "demo:language:unknown",
            f"There are no demo phrases in {language!r}.",
            f"Choose one of {', '.join(LANGUAGES)}.",
        )
    templates = _TEMPLATES[language]
    template = rng.choices([text for _, text in templates], [weight for weight, _ in templates])[0]
    draw: dict[str, Callable[[], str]] = {
        "number": lambda: number(rng.randrange(100), language),
        "hour": lambda: number(rng.randrange(1, 13), language),
        "digits": lambda: _digits(language, rng),
        **{
            name: lambda options=options: rng.choice(options)  # type: ignore[misc]
            for name, options in _CHOICES[language].items()
        },
    }
    text = template.format_map({name: make() for name, make in draw.items()})
    return Phrase(text, text)


def number(value: int, language: str) -> str:
    """0 to 99 in words: `forty two`, `四十二`."""
    tens, ones = divmod(value, 10)
    if language == "en":
        if value < 20:
            return _ONES_EN[value]
        return _TENS_EN[tens - 2] + (f" {_ONES_EN[ones]}" if ones else "")
    head = "" if tens == 0 else "十" if tens == 1 else _DIGITS_ZH[tens] + "十"
    return head + (_DIGITS_ZH[ones] if ones or not tens else "")


def is_held_out(text: str) -> bool:
    """Whether the demo model never trains on this phrase: one in eight of them, by a hash of the text."""
    return hashlib.sha256(text.encode()).digest()[0] % _HELD_OUT_EVERY == 0


def characters() -> str:
    """Every character any demo phrase is written with, sorted."""
    found = {c for templates in _TEMPLATES.values() for _, text in templates for c in text if c not in "{}"}
    found |= {c for choices in _CHOICES.values() for options in choices.values() for o in options for c in o}
    found |= set("".join(_ONES_EN + _TENS_EN) + _DIGITS_ZH + "十 ")
    return "".join(sorted(found))


def _digits(language: str, rng: Random) -> str:
    drawn = [rng.randrange(10) for _ in range(rng.randint(2, 4))]
    if language == "en":
        return " ".join(_ONES_EN[digit] for digit in drawn)
    return "".join(_DIGITS_ZH[digit] for digit in drawn)
