from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.corpus.models import Split
from earmark.corpus.splits import TARGETS, next_split, split_by_content

VOICES = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.integers(0, 5)), max_size=150)


def deal(voices: list[tuple[str, int]]) -> tuple[dict[int, Counter[str]], Counter[str], list[str]]:
    alike: dict[int, Counter[str]] = {}
    everywhere: Counter[str] = Counter()
    dealt = []
    for name, kind in voices:
        kin = alike.setdefault(kind, Counter())
        split = next_split(name, alike=kin, everywhere=everywhere)
        kin[split] += 1
        everywhere[split] += 1
        dealt.append(split)
    return alike, everywhere, dealt


@settings(max_examples=150, deadline=None)
@given(VOICES)
def test_every_kind_and_the_whole_stay_near_the_target(voices: list[tuple[str, int]]) -> None:
    alike, everywhere, _ = deal(voices)
    for counts in (everywhere, *alike.values()):
        for split, tenths in TARGETS.items():
            assert abs(10 * counts[split] - tenths * sum(counts.values())) <= 20


@settings(max_examples=30, deadline=None)
@given(VOICES)
def test_the_same_voices_in_the_same_order_are_dealt_the_same(voices: list[tuple[str, int]]) -> None:
    assert deal(voices)[2] == deal(voices)[2]


def test_many_dialects_of_one_voice_still_make_a_test_set() -> None:
    _, everywhere, _ = deal([(f"voice {number}", number) for number in range(30)])
    assert [everywhere[split] for split in Split] == [24, 3, 3]


def test_each_dialect_of_ten_voices_has_all_sides() -> None:
    alike, _, _ = deal([(f"voice {number}", number % 4) for number in range(40)])
    assert all(set(counts) == set(Split) for counts in alike.values())


@given(st.binary(min_size=32, max_size=32))
def test_content_decides_alone(digest: bytes) -> None:
    assert split_by_content(digest.hex()) == split_by_content(digest.hex())
    assert split_by_content(digest.hex()) in Split


def test_hashes_are_drawn_in_the_target_shares() -> None:
    drawn = Counter(split_by_content(f"{number:05x}".ljust(64, "8")) for number in range(0, 16**5, 97))
    total = sum(drawn.values())
    assert [round(drawn[split] / total, 2) for split in Split] == [0.8, 0.1, 0.1]
    assert split_by_content("0" * 64) == Split.TRAIN
    assert split_by_content("f" * 64) == Split.TEST
