import math
from pathlib import Path

import numpy as np
import pytest

from earmark.speech.engine import Heard, TokenScore
from training_jobs.recipe.hearing import Hearing
from training_jobs.recipe.manifest import ClipEntry
from training_jobs.recipe.pseudo_labels import Interrupted, PseudoLabel, accept, hear_pool

ENTRIES = [ClipEntry(id=str(i), audio=f"{i}.flac", seconds=1.0 + i / 10) for i in range(7)]


class Engine:
    """Hears the number of samples in a clip, with one sure and one doubtful token; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def hear(self, waveforms):
        self.calls += 1
        return [self._heard(str(len(waveform))) for waveform in waveforms]

    def _heard(self, text: str) -> Heard:
        return Heard(text, (TokenScore(1, text, 0.0, 0.0), TokenScore(0, "", math.log(0.5), 0.7)), False)


def _audio(entry: ClipEntry) -> np.ndarray:
    return np.full(round(entry.seconds * 16_000), 0.1, np.float32)


def _hear(
    path: Path, engine: Engine, *, indices=range(7), stop_after: int = 99, views: int = 1
) -> tuple[list[Hearing], list[int]]:
    counts: list[int] = []
    left = iter([False] * stop_after)
    hearings = hear_pool(
        path,
        ENTRIES,
        indices,
        _audio,
        engine,
        views=views,
        voice={},
        batch_seconds=3.5,
        report=counts.append,
        stopping=lambda: next(left, True),
    )
    return hearings, counts


def test_every_clip_is_heard_once_and_in_order(tmp_path):
    engine = Engine()
    hearings, counts = _hear(tmp_path / "pass.jsonl", engine)
    assert [h.index for h in hearings] == list(range(7))
    assert [h.text for h in hearings] == [str(len(_audio(entry))) for entry in ENTRIES]
    assert (hearings[0].mean, hearings[0].sequence, hearings[0].flags) == (0.75, pytest.approx(0.5), ())
    assert counts[-1] == 7
    assert engine.calls == len(counts) > 2


def test_only_the_wanted_clips_are_heard_under_their_own_index(tmp_path):
    hearings, _ = _hear(tmp_path / "pass.jsonl", Engine(), indices=[1, 4, 6])
    assert [(h.index, h.text) for h in hearings] == [(i, str(len(_audio(ENTRIES[i])))) for i in (1, 4, 6)]


def test_a_stopped_pass_goes_on_where_it_was_even_after_a_torn_line(tmp_path):
    path, engine = tmp_path / "pass.jsonl", Engine()
    with pytest.raises(Interrupted):
        _hear(path, engine, stop_after=2)
    assert engine.calls == 2
    with path.open("a") as file:
        file.write('[2, [{"index": 3, "te')
    hearings, counts = _hear(path, engine)
    whole, _ = _hear(tmp_path / "whole.jsonl", Engine())
    assert hearings == whole
    assert engine.calls == 2 + len(counts)
    assert _hear(path, engine)[0] == whole
    assert engine.calls == 2 + len(counts)


def test_flags_refuse_whatever_the_score():
    heard = [("one", ()), ("one one one one", ("loop",)), ("two", ()), (" ", ())]
    hearings = [Hearing(i, text, 0.9, 0.8, 0.7, {}, flags) for i, (text, flags) in enumerate(heard)]
    labels, refused = accept(hearings, [0.95, 0.99, 0.89, 0.99], threshold=0.9)
    assert labels == [PseudoLabel(0, "one", 0.95)]
    assert refused == {"loop": 1, "score": 2}


def test_of_several_views_a_clip_has_one_hearing(tmp_path):
    hearings, _ = _hear(tmp_path / "pass.jsonl", Engine(), views=3)
    assert [h.index for h in hearings] == list(range(7))
    assert all(h.features["disagreement"] > 0 for h in hearings)
