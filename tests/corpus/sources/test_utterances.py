"""Which marked stretches can be clips."""

import math

from earmark.corpus.manifest import Row, Utterance
from earmark.corpus.sources.utterances import UNPLACED, placed, wanted


def row(*utterances: Utterance) -> Row:
    return Row("a.wav", utterances=utterances)


def test_what_fits_is_kept_as_it_is() -> None:
    one, two = Utterance(0.0, 30.0, "x"), Utterance(30.0, 0.1, channel=1)
    found = placed(row(one, two), seconds=40.0, channels=2)
    assert (found.utterances, found.remark, found.error_id) == ((one, two), "", "")


def test_a_little_beyond_the_end_is_shortened_to_it() -> None:
    found = placed(row(Utterance(1.0, 2.08)), seconds=3.0)
    assert found.utterances == (Utterance(1.0, 2.0),)
    assert not found.remark


def test_each_that_does_not_fit_is_told_of() -> None:
    found = placed(
        row(
            Utterance(0.0, 1.0),
            Utterance(-0.5, 1.0),
            Utterance(2.0, 30.5),
            Utterance(3.0, 0.05),
            Utterance(4.0, 1.0, channel=2),
            Utterance(59.5, 1.0),
            Utterance(70.0, 1.0),
            Utterance(0.0, 1.0, "again"),
            Utterance(5.0, math.inf),
        ),
        seconds=60.0,
        channels=2,
    )
    assert found.utterances == (Utterance(0.0, 1.0),)
    assert found.error_id == UNPLACED
    assert found.remark.startswith("8 of 9 utterances were not taken: ")
    for part in (
        "3 outside the file (the first at -0.50 s)",
        "2 longer than 30 s (the first at 2.00 s)",
        "1 shorter than 100 ms (the first at 3.00 s)",
        "1 on a channel that is not there (the first at 4.00 s)",
        "1 marked twice (the first at 0.00 s)",
    ):
        assert part in found.remark


def test_before_the_length_is_known_only_what_never_fits_is_left_out() -> None:
    far = Utterance(1e6, 2.0, channel=5)
    assert wanted(row(far, Utterance(0.0, 31.0), Utterance(-1.0, 2.0), Utterance(0.0, 0.0))) == (far,)
