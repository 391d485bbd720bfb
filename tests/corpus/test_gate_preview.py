"""What a gate would do is what it does."""

import random
from dataclasses import fields

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from earmark.accounts.models import User
from earmark.corpus import gate_preview
from earmark.corpus.gate import Gate, changed, gate_of, overrule, set_thresholds
from earmark.corpus.gate_preview import histogram, measures_of, missed, preview
from earmark.corpus.models import Clip, Collection, Recording, Unfit
from earmark.jobs.models import Job
from earmark.jobs.running import run

pytestmark = pytest.mark.django_db


def filled(clips: int, *, seed: int = 5) -> Collection:
    """A collection of clips of every quality, judged by its gate."""
    rng = random.Random(seed)
    collection = Collection.objects.create(slug=f"c{seed}", name="C")
    recording = Recording.objects.create(
        collection=collection, sha256=str(seed), name="a", file="a", bytes=1, seconds=9e4, rate=16_000, channels=1,
        format="WAV",
    )  # fmt: skip
    gate, rows = gate_of(collection), []
    for number in range(clips):
        clip = Clip(
            collection=collection, recording=recording, start=2.0 * number, seconds=1.5, split="train"
        )
        clip.speech_seconds, clip.silence_share = rng.uniform(0, 1.5), rng.uniform(0, 1)
        clip.snr_db = None if rng.random() < 0.1 else rng.uniform(-5, 40)
        clip.clipped_share = rng.choice([0.0, 0.0, 0.02])
        clip.bandwidth_hz, clip.loudness_lufs = rng.uniform(2000, 8000), rng.uniform(-65, -15)
        quality = gate_preview.Quality(**{name: getattr(clip, name) for name in gate_preview.MEASURES})
        clip.unfit = gate.verdict(quality)
        clip.is_fit = not clip.unfit
        rows.append(clip)
    Clip.objects.bulk_create(rows)
    return collection


def unfit_by_threshold(collection: Collection) -> int:
    settled = [Unfit.DUPLICATE, Unfit.TORN, Unfit.BY_HAND]
    return Clip.objects.filter(collection=collection, is_fit=False).exclude(unfit__in=settled).count()


def test_what_is_foreseen_is_what_happens() -> None:
    collection = filled(200)
    some = list(Clip.objects.filter(collection=collection, is_fit=True)[:3])
    overrule(clip=some[0], is_fit=False, by=User.objects.create(username="ada"), why="a door")
    Clip.objects.filter(pk=some[1].pk).update(unfit="duplicate", is_fit=False)
    Clip.objects.filter(pk=some[2].pk).update(speech_seconds=None)
    before = unfit_by_threshold(collection)
    thresholds = {"least_snr_db": 12.0, "least_loudness_lufs": -62.0, "most_clipped_share": 0.03}
    gate = changed(gate_of(collection), thresholds)
    foreseen = preview(measures_of(collection), gate)
    assert (foreseen.clips, foreseen.looked_at, foreseen.is_sample, foreseen.now) == (200, 200, False, before)
    assert foreseen.kept == 3
    set_thresholds(collection=collection, thresholds=thresholds, by=None)
    run(Job.objects.get(kind="corpus.judge").pk)
    assert unfit_by_threshold(collection) == foreseen.set_aside == before + foreseen.out - foreseen.back
    assert foreseen.out > 0
    assert foreseen.back > 0
    for reason, number in foreseen.reasons.items():
        assert Clip.objects.filter(collection=collection, is_fit=False, unfit=reason).count() == number


def test_a_clip_is_unfit_exactly_where_it_misses_some_threshold() -> None:
    measures, gate = measures_of(filled(200)), Gate(least_snr_db=15.0)
    any_missed = sum(missed(measures, field.name, getattr(gate, field.name)) for field in fields(Gate)) > 0
    foreseen = preview(measures, gate)
    assert any_missed.sum() == foreseen.set_aside
    assert foreseen.missing["least_snr_db"] == missed(measures, "least_snr_db", 15.0).sum()
    assert sum(foreseen.missing.values()) > foreseen.set_aside


@pytest.mark.parametrize("crowded", [4, 0])
def test_many_clips_are_estimated_from_a_draw_that_repeats(
    crowded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_preview, "CROWDED", crowded)
    collection = filled(3000)
    whole = preview(measures_of(collection), Gate(least_snr_db=20.0))
    monkeypatch.setattr(gate_preview, "MOST_LOOKED_AT", 1500)
    drawn = measures_of(collection, seed=3)
    estimate = preview(drawn, Gate(least_snr_db=20.0))
    assert drawn.is_sample
    assert 500 < drawn.looked_at < 2500
    assert estimate.clips == 3000
    assert estimate.set_aside == pytest.approx(whole.set_aside, rel=0.1)
    assert measures_of(collection, seed=3).looked_at == drawn.looked_at


def test_a_draw_leaves_the_pages_of_other_collections_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    collection = filled(40, seed=6)
    filled(200, seed=7)
    monkeypatch.setattr(gate_preview, "MOST_LOOKED_AT", 20)
    with CaptureQueriesContext(connection) as asked:
        drawn = measures_of(collection)
    assert drawn.is_sample
    assert 5 < drawn.looked_at < 35
    assert "TABLESAMPLE" not in asked[-1]["sql"]


def test_a_histogram_is_in_shares_of_its_fullest_bin() -> None:
    shares = histogram(measures_of(filled(200)), "snr_db", 0.0, 20.0)
    assert len(shares) == gate_preview.BINS
    assert max(shares) == 1.0
    assert shares[-1] == 1.0  # everything above 20 dB is in the last


def test_an_empty_collection_is_foreseen_too() -> None:
    measures = measures_of(Collection.objects.create(slug="e", name="E"))
    assert preview(measures, Gate()).set_aside == 0
    assert max(histogram(measures, "snr_db", 0.0, 20.0)) == 0.0
