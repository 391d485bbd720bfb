"""False texts made of true ones."""

from random import Random

from benchmarks.false_texts import lengthened, shortened, swapped
from earmark.speech.spelling import spell

TEXTS = ["turn on the light", "forty two", "打开灯", "yes", "yes"]


def words(text: str) -> list[str]:
    return [word.text for word in spell(text)]


def test_false_texts_differ_by_what_they_say() -> None:
    rng = Random(1)
    for true, other in zip(TEXTS, swapped(TEXTS, rng), strict=True):
        assert other in TEXTS
        assert other != true
    for true, less in zip(TEXTS, shortened(TEXTS, rng), strict=True):
        assert len(words(less)) == len(words(true)) - 1 or (len(words(true)) == 1 and less != true)
    for true, more in zip(TEXTS, lengthened(TEXTS, rng), strict=True):
        assert len(words(more)) == len(words(true)) + 1
    assert swapped(["yes"], rng) == ["yes yes"]
