"""An evaluation scores every clip of the frozen test set, by language and dialect, and leaves none out."""

import pytest

from earmark.corpus.models import Clip, Collection, Recording, Reference
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import freeze_test_set
from earmark.recognition.models import Hypothesis, ModelVersion
from earmark.speech.errors import EarmarkError
from earmark.speech.scoring import count_errors
from earmark.speech.slices import Traits
from tests.recognition.world import Progress
from training_jobs import evaluation
from training_jobs.evaluation import score
from training_jobs.scored import Scored, slices


def test_slices_pool_errors_over_units_not_over_clips() -> None:
    scored = [
        Scored(
            count_errors("one two three four", "one two three four", "en"),
            Traits("en", "american", "ada", 25.0, 2.0),
        ),
        Scored(count_errors("one", "two", "en"), Traits("en", "scottish", "bo", 3.0, 0.5)),
        Scored(count_errors("一二", "一三四", "zh"), Traits("zh", "mandarin", "bo", None, 0.9)),
    ]
    found = slices(scored)
    assert found["language"]["en"] == {
        "error_rate": pytest.approx(0.2), "substitutions": 1, "insertions": 0, "deletions": 0, "units": 5, "clips": 2,
    }  # fmt: skip
    assert found["dialect"]["scottish"]["error_rate"] == 1.0
    assert found["dialect"]["mandarin"]["error_rate"] == 1.0
    assert found["speaker"]["bo"]["clips"] == 2
    assert {name: one["clips"] for name, one in found["snr"].items()} == {"0..5": 1, "20..30": 1, "": 1}
    assert {name: one["insertions"] for name, one in found["duration"].items()} == {"..1": 1, "2..4": 0}


@pytest.fixture
def model(db: None) -> ModelVersion:
    return ModelVersion.objects.create(name="m", source="/nowhere")


@pytest.fixture
def test_set(db: None) -> Snapshot:
    collection = Collection.objects.create(slug="c", name="C")
    for number, text in enumerate(["one two", "three"]):
        recording = Recording.objects.create(
            collection=collection, sha256=str(number), name=f"{number}.wav", file=f"{number}.wav",
            bytes=1, seconds=1.0, rate=16000, channels=1, format="WAV", language="en", dialect="scottish",
        )  # fmt: skip
        clip = Clip.objects.create(
            collection=collection, recording=recording, start=0, seconds=1.0, language="en",
            dialect="scottish", split="test",
        )  # fmt: skip
        Reference.objects.create(clip=clip, version=1, text=text, kind="imported")
    return freeze_test_set(collection=collection, by=None)


def hear(model: ModelVersion, test_set: Snapshot, texts: list[str]) -> None:
    for item, text in zip(test_set.items.order_by("clip_id"), texts, strict=False):
        Hypothesis.objects.create(clip=item.clip, model=model, text=text, confidence=0.9)


def test_every_clip_of_the_test_set_is_scored(model: ModelVersion, test_set: Snapshot) -> None:
    hear(model, test_set, ["one two", "tree"])
    scored = score(model, test_set)
    assert [one.counts.rate for one in scored] == [0.0, 1.0]


def test_an_unheard_clip_is_an_error_not_a_better_score(model: ModelVersion, test_set: Snapshot) -> None:
    hear(model, test_set, ["one two"])
    with pytest.raises(EarmarkError, match="could not hear 1 clips") as raised:
        score(model, test_set)
    assert raised.value.error_id == "evaluation:test-set:unheard"


def test_an_evaluation_keeps_the_kinds_of_errors(model: ModelVersion, test_set: Snapshot) -> None:
    hear(model, test_set, ["one too", "three uh"])
    found = evaluation.evaluate(model=model, snapshot=test_set, context=Progress())
    assert found.counts == {"substitutions": 1, "insertions": 1, "deletions": 0, "units": 3}
    assert (found.error_rate, found.clips) == (pytest.approx(2 / 3), 2)
    assert set(found.slices) == {"language", "dialect", "speaker", "snr", "duration"}
