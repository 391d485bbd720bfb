"""Which clips share hashes and which do not."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from benchmarks.made_speech import say
from benchmarks.spoiling import by_telephone, through_codec
from earmark.speech.cutting import Stretch
from earmark.speech.demo_voices import dialect, training_speaker
from earmark.speech.fingerprint import HASHES, Fingerprinter, Fingerprints
from earmark.speech.spectra import Spectrograph
from earmark.speech.synthesis import Synthesiser

TEXT = "the train to the coast leaves at half past nine every morning"
OTHER = "she put the keys on the table, closed the window and went out"


def similarity(first: Sequence[int], second: Sequence[int]) -> float:
    """The share of their hashes that two clips have in common, 0 to 1; 0 where either has none."""
    ours, theirs = set(first), set(second)
    return len(ours & theirs) / max(len(ours), len(theirs)) if ours and theirs else 0.0


def fingerprints(samples: np.ndarray, block: int = 1 << 17) -> Fingerprints:
    spectrograph, fingerprinter = Spectrograph(), Fingerprinter()
    for first in range(0, len(samples), block):
        fingerprinter.add(spectrograph.add(samples[first : first + block]))
    fingerprinter.add(spectrograph.finish())
    return fingerprinter.finish()


def hashes(samples: np.ndarray) -> tuple[int, ...]:
    return fingerprints(samples).hashes(Stretch(0, len(samples)))


def recorded(text: str, seed: int, *, take: int = 0) -> np.ndarray:
    """float32 [n]: somebody's text in a little noise of its own."""
    speaker = training_speaker(dialect("american"), Random(seed))
    said = np.pad(say(Synthesiser(), speaker, text).samples, 1_600)
    noise = np.random.default_rng([seed, take]).standard_normal(len(said))
    return (said + 0.002 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return recorded(TEXT, 1)


def test_hashes_are_few_signed_and_different(clip: np.ndarray) -> None:
    found = hashes(clip)
    assert HASHES - 4 <= len(set(found)) == len(found) <= HASHES
    assert all(isinstance(one, int) and -(2**63) <= one < 2**63 for one in found)
    assert min(found) < 0 < max(found)


def test_near_duplicates_share_hashes(clip: np.ndarray) -> None:
    noise = np.random.default_rng(5).standard_normal(len(clip)).astype(np.float32)
    for copy in (
        0.1 * clip,
        clip[450:],
        clip[1_111:-900],
        through_codec(clip, "mp3"),
        through_codec(clip, "opus"),
        by_telephone(clip, Random(2)),
        clip + 0.003 * noise,
    ):
        assert similarity(hashes(clip), hashes(copy)) > 0.1


def test_other_clips_share_none(clip: np.ndarray) -> None:
    for other in (recorded(TEXT, 2), recorded(OTHER, 1), recorded(OTHER, 3)):
        assert similarity(hashes(clip), hashes(other)) < 0.05


def test_a_stretch_has_the_hashes_of_its_own_sound(clip: np.ndarray) -> None:
    other = recorded(OTHER, 4)
    whole = fingerprints(np.concatenate([other, clip, other]))
    within = whole.hashes(Stretch(len(other), len(other) + len(clip)))
    assert similarity(within, hashes(clip)) > 0.1


@pytest.mark.parametrize("block", [1_000, 7_777])
def test_it_does_not_matter_how_the_samples_come(clip: np.ndarray, block: int) -> None:
    assert fingerprints(clip, block).hashes(Stretch(0, len(clip))) == hashes(clip)


def test_silence_has_no_fingerprint() -> None:
    assert hashes(np.zeros(32_000, np.float32)) == ()
    assert hashes(np.zeros(0, np.float32)) == ()
    assert similarity((), ()) == similarity((1,), ()) == 0.0
    assert similarity((1, 2, 3, 4), (4, 5)) == 0.25
