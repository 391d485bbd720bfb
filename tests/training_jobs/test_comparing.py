"""Two models on the same clips: what is counted, who wins, what was measured, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from earmark.accounts.models import AuditEntry
from earmark.corpus.models import Split
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import freeze_test_set
from earmark.jobs.running import Cancelled
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.speech import measured_child
from earmark.speech.errors import EarmarkError
from earmark.speech.model_size import model_size
from earmark.speech.slices import Traits
from earmark.speech.text import PLAIN
from tests.recognition.world import Progress, make_clip, make_collection
from training_jobs import comparing, measuring
from training_jobs.comparison_report import ENOUGH_UNITS, Side, text_report, winner
from training_jobs.scored import Examined, Scored, scored

TINY = Path(__file__).parents[2] / "models" / "glm-asr-tiny"
PLAIN_ENGINE = "tests.training_jobs.plain_engine.PlainEngine"


def side(clips: list[Examined], texts: list[str], confidence: list[float] | None = None) -> Side:
    found: list[Scored] = scored(clips, dict(enumerate(texts)))
    return Side(found, texts, confidence or [0.5] * len(texts), is_calibrated=False)


def clip(number: int, text: str, **traits: Any) -> Examined:
    return Examined(number, text, Traits(**{"language": "en", "seconds": 2.0, **traits}))


@pytest.fixture
def report() -> dict[str, Any]:
    """Forty clips of three words: A misses one word in every other clip, B one in every noisy clip."""
    clips = [
        clip(n, "one two three", snr_db=5.0 if n % 4 == 0 else 25.0, speaker=f"s{n % 2}") for n in range(40)
    ]
    a = ["one too three" if n % 2 else "one two three" for n in range(40)]
    b = ["one three" if n % 4 == 0 else "one two three" for n in range(40)]
    sure = [0.2 if n % 2 else 0.9 for n in range(40)]
    return text_report(clips, side(clips, a, sure), side(clips, b), options=PLAIN, seed=1)


def test_both_are_counted_on_the_same_clips_and_the_difference_is_paired(report: dict[str, Any]) -> None:
    overall = report["overall"]
    assert (overall["clips"], overall["units"], report["seconds"]) == (40, 120, 80.0)
    assert overall["a"]["error_rate"] == pytest.approx(20 / 120)
    assert (overall["a"]["substitutions"], overall["b"]["deletions"]) == (20, 10)
    assert overall["difference"]["value"] == pytest.approx(-10 / 120)
    assert overall["a"]["low"] < overall["a"]["error_rate"] < overall["a"]["high"]
    assert report["agreement"] == {"both": 10, "only_a": 10, "only_b": 20, "neither": 0}


def test_slices_say_where_each_is_weak(report: dict[str, Any]) -> None:
    found = {(one["kind"], one["name"]): one for one in report["slices"]}
    assert found["snr", "5..10"]["b"]["error_rate"] == pytest.approx(1 / 3)
    assert found["snr", "20..30"]["b"]["error_rate"] == 0.0
    assert winner(found["snr", "5..10"]) == "a"
    assert winner(found["snr", "20..30"]) == "b"
    assert found["speaker", "s1"]["a"]["error_rate"] == pytest.approx(1 / 3)
    assert report["noise"]["noisy"]["clips"] == 10
    assert report["noise"]["clean"]["b"]["error_rate"] == 0.0


def test_the_mistakes_that_come_again_are_listed(report: dict[str, Any]) -> None:
    assert report["confusions"] == {"a": [["two", "too", 20]], "b": [["two", "", 10]]}


def test_confidence_is_judged_by_which_texts_are_right(report: dict[str, Any]) -> None:
    found = report["confidence"]
    assert (found["a"]["auroc"], found["a"]["right"]) == (1.0, 0.5)
    assert found["a"]["ece"] == pytest.approx(0.15, abs=0.01)
    assert (found["b"]["auroc"], found["b"]["calibrated"]) == (0.5, False)


def test_nobody_wins_by_chance_or_on_a_handful_of_words() -> None:
    sure = {"low": -0.2, "high": -0.1}
    assert winner({"units": ENOUGH_UNITS, "difference": sure}) == "b"
    assert winner({"units": ENOUGH_UNITS - 1, "difference": sure}) == ""
    assert winner({"units": 1000, "difference": {"low": -0.1, "high": 0.1}}) == ""
    assert winner(None) == ""


def test_a_set_without_noisy_clips_has_no_figure_for_them() -> None:
    clips = [clip(0, "one two", snr_db=None)]
    found = text_report(clips, side(clips, ["one"]), side(clips, ["two"]), options=PLAIN, seed=1)
    assert found["noise"]["noisy"] is found["noise"]["clean"] is None


@pytest.fixture
def snapshot(db: None) -> Snapshot:
    collection = make_collection("c")
    for level, text in enumerate(["one two", "one", "two"], start=1):
        make_clip(collection, level, text=text, split=Split.TEST, speaker="bo")
    return freeze_test_set(collection=collection, by=None)


@pytest.fixture
def pair(snapshot: Snapshot, settings: Settings) -> tuple[ModelVersion, ModelVersion]:
    """Two models that hear their own name in every clip."""
    settings.ENGINES = {**settings.ENGINES, "plain": PLAIN_ENGINE}
    first, second = (ModelVersion.objects.create(name=n, source=n, engine="plain") for n in ("one", "two"))
    return first, second


def test_a_comparison_hears_what_is_missing_and_measures_each_model_alone(
    snapshot: Snapshot, pair: tuple[ModelVersion, ModelVersion]
) -> None:
    a, b = pair
    kept = snapshot.items.order_by("clip_id")[0].clip
    Hypothesis.objects.create(clip=kept, model=a, text="one two", confidence=0.9)
    asked = comparing.request_comparison(a=a, b=b, snapshot=snapshot)
    assert comparing.request_comparison(a=a, b=b, snapshot=snapshot) == asked
    report = comparing.compare(asked, Progress()).report
    asked.refresh_from_db()
    assert asked.report == report
    assert report["overall"]["a"]["error_rate"] == pytest.approx(1 / 4)
    assert report["overall"]["b"]["error_rate"] == pytest.approx(2 / 4)
    assert report["models"] == {
        "a": {"name": "one", "engine": "plain"},
        "b": {"name": "two", "engine": "plain"},
    }
    measured = report["measured"]
    assert (measured["clips"], measured["seconds"]) == (3, pytest.approx(1.5))
    for name in ("a", "b"):
        assert measured[name]["rtf"] > 0
        assert measured[name]["passes"] == measuring.PASSES
        assert measured[name]["languages"] == ["en"]
        assert 10_000_000 < measured[name]["peak_bytes"] < 4_000_000_000
        assert measured[name]["parameters"] is None
    assert AuditEntry.objects.filter(verb="request comparison").count() == 1


def test_what_cannot_be_compared_is_refused(
    snapshot: Snapshot, pair: tuple[ModelVersion, ModelVersion]
) -> None:
    a, b = pair
    for models, more, error_id in [
        ((a, a), {}, "comparison:models:same"),
        ((a, b), {"sample_seconds": 0.0}, "comparison:sample:size"),
        ((a, b), {"sample_seconds": float("nan")}, "comparison:sample:size"),
    ]:
        with pytest.raises(EarmarkError) as caught:
            comparing.request_comparison(a=models[0], b=models[1], snapshot=snapshot, **more)
        assert caught.value.error_id == error_id


def test_a_model_that_does_not_load_says_which_and_why(
    pair: tuple[ModelVersion, ModelVersion],
) -> None:
    broken = ModelVersion.objects.create(name="third", source="broken", engine="plain")
    with pytest.raises(EarmarkError, match=r"third cannot be measured\. It is broken\. Mend it") as caught:
        measuring.measure([broken], [np.zeros(1_600, np.float32)], ["en"], Progress())
    assert caught.value.error_id == "recognition:model:unavailable"


def test_a_cancelled_job_waits_for_no_model(
    snapshot: Snapshot, pair: tuple[ModelVersion, ModelVersion]
) -> None:
    with pytest.raises(Cancelled):
        measuring.measure(pair, [np.zeros(1_600, np.float32)], ["en"], Progress(cancel_at=0))


def test_a_child_hears_what_it_was_given(tmp_path: Path) -> None:
    waveforms = [np.full(n, n / 9e4, np.float32) for n in (1_600, 8_000, 3_200)]
    measured_child.write_clips(tmp_path / "clips.npz", waveforms)
    for sent, read in zip(waveforms, measured_child.read_clips(tmp_path / "clips.npz"), strict=True):
        assert np.array_equal(sent, read)


def test_a_model_is_as_large_as_its_weights_say(tmp_path: Path) -> None:
    found = model_size(TINY)
    assert found.bytes == (TINY / "model.safetensors").stat().st_size
    assert 1_000_000 < found.parameters < 3_000_000
    with pytest.raises(EarmarkError, match=r"neither model\.safetensors"):
        model_size(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x02pickled")
    with pytest.raises(EarmarkError, match="no safetensors"):
        model_size(tmp_path)
