"""The pool as the database keeps it: read no further than a strategy reads."""

from datetime import UTC, datetime

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.acquisition import STRATEGIES, choose, find_strategy, read_by
from annotation.models import Annotation, Round, RoundClip
from annotation.pool import read_pool
from annotation.rounds import choose_clips, request_round
from annotation.stored_embeddings import as_vectors
from earmark.corpus.models import Collection
from earmark.recognition.models import Hypothesis, HypothesisDetails, ModelVersion
from earmark.speech.errors import EarmarkError
from tests.annotation.world import an_embedding, heard_collection

pytestmark = pytest.mark.django_db


def champion_of(collection: Collection) -> ModelVersion:
    return collection.aliases.get(name="champion").model


def test_embeddings_are_read_for_the_clips_asked_for_and_no_others() -> None:
    collection = heard_collection(6)
    eligible = read_pool(collection, champion_of(collection), {"embeddings"})
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = eligible.pool.vectors(np.array([4, 1]))
    assert len(queries) == 1
    expected = [np.frombuffer(an_embedding(number), "<f2") for number in (4, 1)]
    assert np.array_equal(found, np.array(expected, np.float32))


def test_what_a_strategy_does_not_read_is_not_there() -> None:
    collection = heard_collection(4)
    pool = read_pool(collection, champion_of(collection)).pool
    assert pool.embeddings is None
    assert pool.features == {}
    assert len(pool.answered) == 0


def test_features_are_numbers_and_unknown_ones_are_not() -> None:
    collection = heard_collection(3)
    first, second, _ = Hypothesis.objects.order_by("clip_id")
    Hypothesis.objects.filter(pk=first.pk).update(features={"mean_entropy": 0.25, "min_word_logprob": -1.5})
    Hypothesis.objects.filter(pk=second.pk).update(features={"mean_entropy": None})
    pool = read_pool(collection, champion_of(collection), {"features"}).pool
    assert pool.feature("mean_entropy")[0] == 0.25
    assert pool.feature("min_word_logprob")[0] == -1.5
    assert np.isnan(pool.feature("mean_entropy")[1:]).all()


def test_thinned_out_embeddings_are_an_error_that_says_what_to_do() -> None:
    collection = heard_collection(9)
    HypothesisDetails.objects.filter(hypothesis__clip__in=collection.clips.order_by("pk")[:5]).delete()
    pool = read_pool(collection, champion_of(collection), {"embeddings"}).pool
    with pytest.raises(EarmarkError) as caught:
        pool.vectors(np.arange(9))
    assert caught.value.error_id == "annotation:strategy:no-embeddings"
    assert "5 of 9" in str(caught.value)
    assert pool.vectors(np.arange(4, 9)).any(axis=1).tolist() == [False, True, True, True, True]


def test_a_round_that_has_nothing_to_compare_by_is_refused_at_once() -> None:
    collection = heard_collection(4)
    HypothesisDetails.objects.update(embedding=None)
    with pytest.raises(EarmarkError) as caught:
        request_round(collection=collection, budget_seconds=4.0, seed=1, by=None)
    assert caught.value.error_id == "annotation:strategy:no-embeddings"
    assert not Round.objects.exists()


def test_embeddings_of_another_length_count_as_none() -> None:
    rows = [np.ones(3, "<f2").tobytes(), None, np.ones(2, "<f2").tobytes(), np.ones(3, "<f2").tobytes()]
    assert as_vectors(rows).any(axis=1).tolist() == [True, False, False, True]
    assert as_vectors([]).shape == (0, 1)


def test_answered_clips_are_remembered_with_what_was_refused() -> None:
    collection = heard_collection(6)
    clips = list(collection.clips.order_by("pk"))
    model = champion_of(collection)
    row = Round.objects.create(
        collection=collection, number=1, strategy="s", budget_seconds=1, audit_share=0, seed=0, model=model
    )
    outcomes = ("labelled", "labelled", "unintelligible", "skipped", "waiting")
    quality = (["clear"], ["wrong_language"], ["unintelligible"], [], [])
    for number, (clip, outcome, said) in enumerate(zip(clips, outcomes, quality, strict=False)):
        one = RoundClip.objects.create(round=row, clip=clip, reason="strategy", score=1, outcome=outcome)
        Annotation.objects.create(
            round_clip=one, annotation_id=number, annotator="a", quality=said,
            created_at=datetime.now(UTC), updated_at=datetime.now(UTC),
        )  # fmt: skip
    answered = read_pool(collection, model, {"embeddings"}).pool.answered
    assert answered.refused.tolist() == [False, True, True]
    expected = [np.frombuffer(an_embedding(number), "<f2") for number in range(3)]
    assert np.array_equal(answered.vectors, np.array(expected, np.float32))


@pytest.mark.parametrize("path", STRATEGIES)
def test_every_strategy_chooses_from_the_real_database_and_says_why(path: str) -> None:
    collection = heard_collection(24)
    Hypothesis.objects.update(features={"mean_entropy": 0.2, "min_word_logprob": -0.5})
    row, _job = request_round(
        collection=collection, budget_seconds=20.0, audit_share=0.2, strategy=path, seed=5, by=None
    )
    choose_clips(row)
    assert row.clips.count() == 10
    strategy = find_strategy(path, STRATEGIES)
    eligible = read_pool(collection, row.model, read_by(strategy))
    assert len(eligible.pool) == 14
    for one in row.clips.all():
        named = one.reason == RoundClip.Reason.STRATEGY and not path.endswith((".random", ".k_means"))
        assert bool(one.why) == named
    assert choose(eligible.pool, strategy=strategy, budget_seconds=2.0, audit_share=0, seed=1).score.size == 1
