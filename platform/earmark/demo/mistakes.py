"""Typing as people do it: mostly right, with the slips of a keyboard or of an input method. Seeded."""

from collections.abc import Callable, Sequence
from random import Random

from earmark.speech.text import is_han

SLIP_RATE = 0.02

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SOUND_ALIKE = (
    "一衣医", "二儿而", "三山散", "四是事", "五午舞", "六流留", "七期起", "八吧把", "九久酒", "十时实",
    "点店电", "号好浩", "打大达", "开凯该", "关官管", "灯等登", "门们闷", "上尚伤", "下夏吓", "音因应",
    "零灵铃", "百白摆", "千前签", "你呢尼", "我握窝", "他她它", "的得地", "在再载", "来莱赖", "去趣区",
)  # fmt: skip


def neighbours() -> dict[str, str]:
    """The keys around each letter of an English keyboard."""
    around: dict[str, set[str]] = {}
    for height, row in enumerate(_ROWS):
        for place, key in enumerate(row):
            near = {row[other] for other in (place - 1, place + 1) if 0 <= other < len(row)}
            for beside in (height - 1, height + 1):
                if 0 <= beside < len(_ROWS):
                    near |= set(_ROWS[beside][max(0, place - 1) : place + 2])
            around[key] = near
    return {key: "".join(sorted(near)) for key, near in around.items()}


_NEAR = neighbours()
_ALIKE = {one: [other for other in group if other != one] for group in _SOUND_ALIKE for one in group}


def mistype(text: str, rng: Random, *, rate: float = SLIP_RATE) -> str:
    """`text` as somebody types it: each character is slipped on with probability `rate`.

    Latin letters: a neighbouring key instead or besides, a letter left out, two letters swapped. Chinese
    characters: one that sounds alike (any other of the text where none is known), or one left out. A text
    never becomes empty.
    """
    typed: list[str] = []
    place = 0
    while place < len(text):
        character = text[place]
        if rng.random() >= rate:
            typed.append(character)
            place += 1
            continue
        following = text[place + 1 : place + 2]
        slip = rng.choice(_HAN_SLIPS if is_han(character) else _KEY_SLIPS)
        written, read = slip(character, following, text, rng)
        typed.append(written)
        place += read
    return "".join(typed).strip() or text


Slip = Callable[[str, str, str, Random], tuple[str, int]]
"""(character, the next one, the whole text, generator) -> (what is typed, how many characters it stands for)"""


def _beside(character: str, following: str, text: str, rng: Random) -> tuple[str, int]:
    return _near(character, rng), 1


def _extra(character: str, following: str, text: str, rng: Random) -> tuple[str, int]:
    return character + _near(character, rng), 1


def _left_out(character: str, following: str, text: str, rng: Random) -> tuple[str, int]:
    return "", 1


def _swapped(character: str, following: str, text: str, rng: Random) -> tuple[str, int]:
    if following in ("", character) or is_han(following):
        return _beside(character, following, text, rng)
    return following + character, 2


def _sound_alike(character: str, following: str, text: str, rng: Random) -> tuple[str, int]:
    others = _ALIKE.get(character) or sorted({one for one in text if is_han(one)} - {character})
    return (rng.choice(others) if others else character * 2), 1


_KEY_SLIPS: Sequence[Slip] = (_beside, _extra, _left_out, _swapped)
_HAN_SLIPS: Sequence[Slip] = (_sound_alike, _sound_alike, _left_out)


def _near(character: str, rng: Random) -> str:
    keys = _NEAR.get(character.lower(), "")
    return rng.choice(keys) if keys else rng.choice("etaoin")
