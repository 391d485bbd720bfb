"""Who is asked about which clip: clips x rules x annotators -> passes. Pure, seeded, without a database.

The first rule that fits a clip says how many people are asked and who may be. Each pass goes to the person, among
those who know the clip's language and dialect, who would be through soonest with what lies before them, measured in
days of their own target: the same as who has most of the day's target left, and fair beyond the day. Clips that few
can take are given out first, so that those few are not busy with what anybody could do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b


class Because(StrEnum):
    """Why nobody can take a pass, from what is hardest to mend to what is easiest."""

    LANGUAGE = "language"
    DIALECT = "dialect"
    RULE = "rule"
    AWAY = "away"
    PEOPLE = "people"


@dataclass(frozen=True)
class Asked:
    """A clip to give out. `error`: the error rate to expect of its text, None where nothing is known of it.

    `place` in the queue, the lowest first. `numbers` are the passes to give out; those the rule wants when None.
    `barred` people are not asked: they have answered it, or know its answer. `held`: who has which pass already; they
    keep it where they still can take it.
    """

    clip: int
    language: str
    dialect: str
    error: float | None
    seconds: float
    place: float
    numbers: tuple[int, ...] | None = None
    barred: frozenset[int] = frozenset()
    held: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """For which clips whom to ask; empty sets and None bound nothing. `share` of those that fit, in (0, 1]."""

    key: int
    languages: frozenset[str] = frozenset()
    dialects: frozenset[str] = frozenset()
    least_error: float | None = None
    most_error: float | None = None
    share: float = 1.0
    people: int = 1
    is_blind: bool = False
    only: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Person:
    """Somebody who labels. `daily_seconds` of audio are their target, 0 for nothing; `load_seconds` are done today
    or lie before them. No languages: those of the collection. No dialects: all. Not `is_here`: away or not active."""

    key: int
    languages: frozenset[str] = frozenset()
    dialects: frozenset[str] = frozenset()
    daily_seconds: float = 1800.0
    load_seconds: float = 0.0
    is_here: bool = True


@dataclass(frozen=True)
class Given:
    """One pass: of which clip, the how manieth, to whom; to nobody and why where nobody can take it."""

    clip: int
    number: int
    is_blind: bool
    person: int | None
    because: Because | None = None


EVERYONE = Rule(key=0)
"""What holds where no rule fits: one person, whoever knows the language."""


def draw(*of: object) -> float:
    """A number in [0, 1) that depends on nothing but `of`: what was drawn stays drawn when other clips come."""
    told = ":".join(map(str, of)).encode()
    return int.from_bytes(blake2b(told, digest_size=8).digest()) / 2.0**64


def fits(rule: Rule, asked: Asked) -> bool:
    """Whether `rule` is for clips like this one, its share apart."""
    if rule.languages and asked.language not in rule.languages:
        return False
    if rule.dialects and asked.dialect not in rule.dialects:
        return False
    if rule.least_error is None and rule.most_error is None:
        return True
    if asked.error is None:
        return False
    least = -1.0 if rule.least_error is None else rule.least_error
    most = float("inf") if rule.most_error is None else rule.most_error
    return least <= asked.error <= most


def rule_of(asked: Asked, rules: Sequence[Rule], *, seed: int) -> Rule:
    """The first of `rules` that fits and draws the clip; EVERYONE where none does."""
    for rule in rules:
        if fits(rule, asked) and (rule.share >= 1 or draw(seed, "rule", rule.key, asked.clip) < rule.share):
            return rule
    return EVERYONE


def knows(person: Person, asked: Asked) -> bool:
    """Whether they understand the clip; of one whose language or dialect nobody noted that is assumed."""
    language = not (person.languages and asked.language) or asked.language in person.languages
    dialect = not (person.dialects and asked.dialect) or asked.dialect in person.dialects
    return language and dialect


def can_take(person: Person, asked: Asked, rule: Rule) -> bool:
    """Whether they may be asked about the clip now."""
    return (
        person.is_here
        and person.daily_seconds > 0
        and (not rule.only or person.key in rule.only)
        and knows(person, asked)
    )


def why_nobody(people: Iterable[Person], asked: Asked, rule: Rule) -> Because:
    """Why no further person of `people` can take the clip."""
    found = [one for one in people if not one.languages or asked.language in {"", *one.languages}]
    if not found:
        return Because.LANGUAGE
    found = [one for one in found if knows(one, asked)]
    if not found:
        return Because.DIALECT
    found = [one for one in found if not rule.only or one.key in rule.only]
    if not found:
        return Because.RULE
    return Because.PEOPLE if any(can_take(one, asked, rule) for one in found) else Because.AWAY


def route(
    asked: Sequence[Asked], rules: Sequence[Rule], people: Sequence[Person], *, seed: int
) -> list[Given]:
    """Give out every pass of `asked`, ordered by clip and number; nobody gets two of one clip.

    Without `people` on record nobody is named and every pass may be taken by anyone. Passes that stay with who holds
    them come first, then clips that few can take, then the order of the queue.
    """
    ruled = {one.clip: rule_of(one, rules, seed=seed) for one in asked}
    numbers = {
        one.clip: range(1, ruled[one.clip].people + 1) if one.numbers is None else one.numbers
        for one in asked
    }
    if not people:
        return sorted(
            (
                Given(one.clip, number, _is_blind(ruled[one.clip], number), None)
                for one in asked
                for number in numbers[one.clip]
            ),
            key=lambda given: (given.clip, given.number),
        )
    desk = _Desk(people, seed)
    able = {one.clip: desk.able(one, ruled[one.clip]) for one in asked}
    kept = {one.clip: _kept(one, numbers[one.clip], able[one.clip]) for one in asked}
    for one in asked:
        desk.load(kept[one.clip].values(), one.seconds)
    given: list[Given] = []
    for one in sorted(asked, key=lambda each: (len(able[each.clip]), each.place, each.clip)):
        rule, taken = ruled[one.clip], set(kept[one.clip].values()) | one.barred
        for number in numbers[one.clip]:
            person = kept[one.clip].get(number)
            if person is None:
                person = desk.soonest(able[one.clip], taken, one)
            because = why_nobody(people, one, rule) if person is None else None
            given.append(Given(one.clip, number, _is_blind(rule, number), person, because))
            if person is not None:
                taken.add(person)
    return sorted(given, key=lambda one: (one.clip, one.number))


def _is_blind(rule: Rule, number: int) -> bool:
    return rule.is_blind and number > 1


def _kept(asked: Asked, numbers: Iterable[int], able: Sequence[Person]) -> dict[int, int]:
    """Who keeps which of the passes: each person one, if they still can take it."""
    still = {one.key for one in able} - asked.barred
    kept: dict[int, int] = {}
    for number in numbers:
        person = asked.held.get(number)
        if person in still and person not in kept.values():
            kept[number] = person
    return kept


class _Desk:
    """Who is how far with what lies before them."""

    def __init__(self, people: Sequence[Person], seed: int) -> None:
        self._people = people
        self._seed = seed
        self._load = {one.key: one.load_seconds for one in people}
        self._daily = {one.key: one.daily_seconds for one in people}
        self._alike: dict[tuple[str, str, Rule], list[Person]] = {}

    def able(self, asked: Asked, rule: Rule) -> list[Person]:
        """Who may be asked about such a clip."""
        like = (asked.language, asked.dialect, rule)
        if like not in self._alike:
            self._alike[like] = [one for one in self._people if can_take(one, asked, rule)]
        return self._alike[like]

    def load(self, people: Iterable[int], seconds: float) -> None:
        """Lay `seconds` of audio before each of `people`."""
        for one in people:
            self._load[one] += seconds

    def soonest(self, able: Sequence[Person], taken: set[int], asked: Asked) -> int | None:
        """Who of `able` would be through with the clip soonest; it lies before them then."""
        free = [one.key for one in able if one.key not in taken]
        if not free:
            return None
        person = min(
            free,
            key=lambda one: (
                (self._load[one] + asked.seconds) / self._daily[one],
                draw(self._seed, "tie", asked.clip, one),
            ),
        )
        self.load([person], asked.seconds)
        return person
