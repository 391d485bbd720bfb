"""Clips are put into the slices they belong to."""

import pytest

from earmark.speech.slices import (
    DURATION_EDGES,
    KINDS,
    MOST_SPEAKERS,
    SNR_EDGES,
    Traits,
    band,
    is_clean,
    is_noisy,
    members,
)


@pytest.mark.parametrize(
    ("value", "name"),
    [(-3.0, "..0"), (0.0, "0..5"), (4.99, "0..5"), (29.0, "20..30"), (30.0, "30.."), (None, "")],
)
def test_a_band_holds_its_lower_edge(value: float | None, name: str) -> None:
    assert band(value, SNR_EDGES) == name


def test_every_clip_is_in_one_slice_of_each_kind() -> None:
    traits = [
        Traits("en", "scottish", "ada", 12.0, 0.5),
        Traits("en", "", "ada", -1.0, 20.0),
        Traits("zh", "mandarin", "bo", None, 3.0),
    ]
    found = members(traits)
    assert list(found) == list(KINDS)
    for named in found.values():
        assert sorted(index for indices in named.values() for index in indices) == [0, 1, 2]
    assert found["language"] == {"en": [0, 1], "zh": [2]}
    assert list(found["snr"]) == ["..0", "10..15", ""]
    assert list(found["duration"]) == ["..1", "2..4", "15.."]


def test_bands_come_in_their_order_and_not_by_the_alphabet() -> None:
    values = (40.0, 7.0, 12.0, -5.0, 22.0)
    found = members([Traits(snr_db=value, seconds=value) for value in values])
    assert list(found["snr"]) == ["..0", "5..10", "10..15", "20..30", "30.."]
    assert list(found["duration"]) == [f"..{DURATION_EDGES[0]:g}", "4..8", "8..15", "15.."]


def test_of_many_speakers_those_heard_most_are_kept() -> None:
    traits = [Traits(speaker=f"s{n:03d}") for n in range(MOST_SPEAKERS + 5)] + [Traits(speaker="s054")]
    found = members(traits)["speaker"]
    assert len(found) == MOST_SPEAKERS
    assert found["s054"] == [54, 55]


def test_a_clip_of_unknown_noise_is_neither_noisy_nor_clean() -> None:
    levels = (3.0, 10.0, None)
    assert [is_noisy(Traits(snr_db=level)) for level in levels] == [True, False, False]
    assert [is_clean(Traits(snr_db=level)) for level in levels] == [False, True, False]
