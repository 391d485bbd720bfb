"""People's slips: as often as told, of the right kinds, the same for the same seed."""

from random import Random

import pytest
from rapidfuzz.distance import OSA

from earmark.demo.mistakes import SLIP_RATE, mistype, neighbours

ENGLISH = "turn on the kitchen light and call room four hundred and twenty one please " * 40
CHINESE = "打开客厅的灯然后打电话给王老师说二十四号房的音量太大了" * 60


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_two_characters_in_a_hundred_are_slipped_on(text: str) -> None:
    slips = [OSA.distance(text, mistype(text, Random(seed))) for seed in range(8)]
    assert sum(slips) / (8 * len(text)) == pytest.approx(SLIP_RATE, rel=0.15)


def test_a_seed_slips_alike() -> None:
    assert mistype(ENGLISH, Random(3)) == mistype(ENGLISH, Random(3)) != mistype(ENGLISH, Random(4))


def test_all_kinds_of_slips_are_made() -> None:
    typed = {mistype("abc", Random(seed), rate=0.4) for seed in range(300)}
    assert {"bac", "acb"} <= typed, "swapped"
    assert {"ab", "ac", "bc"} <= typed, "left out"
    assert {"sbc", "avc"} <= typed, "a key beside"
    assert any(len(text) == 4 for text in typed), "a key besides"


def test_chinese_slips_are_chinese() -> None:
    typed = "".join(mistype("四十二号", Random(seed), rate=0.5) for seed in range(100))
    assert set(typed) - set("四十二号"), "other characters are chosen"
    assert not any(character.isascii() for character in typed)


def test_a_text_never_becomes_empty() -> None:
    assert all(mistype(text, Random(seed), rate=1.0) for text in ("a", "一", "a b") for seed in range(50))


def test_keys_lie_beside_each_other() -> None:
    near = neighbours()
    assert all(key in near[other] for key, others in near.items() for other in others)
    assert set(near["g"]) >= set("fhtyvb")
