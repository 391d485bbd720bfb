"""What demo speakers say and who they are."""

from random import Random

import numpy as np
import pytest

from earmark.speech.demo_phrases import GRAMMARS, characters, drill, number, phrase
from earmark.speech.demo_voices import DIALECTS, dialect, known, speak, speakers, training_speaker
from earmark.speech.errors import EarmarkError
from earmark.speech.synthesis import Synthesiser


@pytest.mark.parametrize("name", GRAMMARS)
def test_there_is_much_to_say_and_it_can_be_written(name: str) -> None:
    rng = Random(1)
    said = [phrase(name, rng) for _ in range(3_000)]
    texts = {each.reference for each in said}
    assert len(texts) > 500
    assert set("".join(texts)) <= {*characters(), "'"}
    assert "{" not in "".join(texts)
    assert 0.04 < sum(each.held_out for each in said) / len(said) < 0.15


def test_a_phrase_is_always_or_never_held_out() -> None:
    rng = Random(3)
    sides: dict[str, set[bool]] = {}
    for _ in range(3_000):
        drawn = phrase("mandarin", rng)
        sides.setdefault(drawn.reference, set()).add(drawn.held_out)
    assert all(len(side) == 1 for side in sides.values())


@pytest.mark.parametrize("name", ["american", "mandarin"])
def test_drills_hold_words_no_command_has(name: str) -> None:
    rng = Random(1)
    phrases = {phrase(name, rng).reference for _ in range(3_000)}
    drills = {drill(name, rng).reference for _ in range(300)}
    assert len(drills - phrases) > 200
    assert set("".join(drills)) <= set(characters())


def test_the_same_seed_says_the_same() -> None:
    assert [phrase("cantonese", Random(4)) for _ in range(3)] == [
        phrase("cantonese", Random(4)) for _ in range(3)
    ]


def test_an_unknown_dialect_is_refused() -> None:
    for call in (
        lambda: phrase("klingon", Random(1)),
        lambda: drill("cantonese", Random(1)),
        lambda: dialect("x"),
    ):
        with pytest.raises(EarmarkError) as caught:
            call()
        assert caught.value.error_id == "demo:dialect:unknown"


def test_every_dialect_has_phrases_in_its_language() -> None:
    assert {of.name: of.language for of in DIALECTS} == {name: g.language for name, g in GRAMMARS.items()}


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
        samples = speak(synthesiser, person, phrase(person.dialect.name, rng).say, rng)
        assert samples.dtype == np.float32
        assert 0.2 < len(samples) / 16_000 < 4
        assert 0.05 < np.abs(samples).max() <= 1.0
        assert np.sqrt(np.mean(samples**2)) > 0.005
