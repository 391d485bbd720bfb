"""What demo speakers say and who they are."""

from random import Random

import numpy as np
import pytest

from earmark.speech.demo_phrases import LANGUAGES, characters, is_held_out, number, phrase
from earmark.speech.demo_voices import DIALECTS, dialect, known, speak, speakers, training_speaker
from earmark.speech.errors import EarmarkError
from earmark.speech.synthesis import Synthesiser


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_much_to_say_and_it_can_be_written(language: str) -> None:
    rng = Random(1)
    said = [phrase(language, rng).reference for _ in range(3_000)]
    assert len(set(said)) > 500
    assert set("".join(said)) <= set(characters())
    assert "{" not in "".join(said)
    held_out = sum(map(is_held_out, set(said))) / len(set(said))
    assert 0.08 < held_out < 0.18


def test_the_same_seed_says_the_same() -> None:
    assert [phrase("zh", Random(4)) for _ in range(3)] == [phrase("zh", Random(4)) for _ in range(3)]


def test_an_unknown_language_or_dialect_is_refused() -> None:
    with pytest.raises(EarmarkError):
        phrase("fr", Random(1))
    with pytest.raises(EarmarkError):
        dialect("klingon")


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (0, "zero", "零"),
        (7, "seven", "七"),
        (10, "ten", "十"),
        (13, "thirteen", "十三"),
        (20, "twenty", "二十"),
        (99, "ninety nine", "九十九"),
    ],
)
def test_numbers_in_words(value: int, english: str, chinese: str) -> None:
    assert number(value, "en") == english
    assert number(value, "zh") == number(value, "yue") == chinese


def test_the_demo_has_many_people_in_known_and_unknown_dialects() -> None:
    people = speakers()
    assert len(people) >= 24
    assert len({person.name for person in people}) == len(people)
    for of in DIALECTS:
        voices = {person.voice for person in people if person.dialect == of}
        assert len(voices) >= 4
    assert {of.name for of in known()} == {"american", "mandarin"}
    assert sum(not of.known for of in DIALECTS) >= 3
    assert speakers() == speakers()


@pytest.mark.parametrize("of", DIALECTS, ids=lambda of: of.name)
def test_everybody_can_be_heard(of: object) -> None:
    rng, synthesiser = Random(2), Synthesiser()
    for person in [*(p for p in speakers() if p.dialect == of), training_speaker(of, rng)]:  # type: ignore[arg-type]
        samples = speak(synthesiser, person, phrase(person.dialect.language, rng).say, rng)
        assert samples.dtype == np.float32
        assert 0.2 < len(samples) / 16_000 < 4
        assert 0.05 < np.abs(samples).max() <= 1.0
        assert np.sqrt(np.mean(samples**2)) > 0.005
