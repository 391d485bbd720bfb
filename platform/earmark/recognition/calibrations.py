"""Reads: which calibration of a model holds in a collection, and the calibrator it keeps."""

from collections.abc import Iterable

from earmark.corpus.models import Collection
from earmark.recognition.models import Calibration, Hypothesis, ModelVersion
from earmark.speech.calibration import Assessed, Calibrator
from earmark.speech.engine import TokenScore
from earmark.speech.errors import EarmarkError
from earmark.speech.word_doubts import WordDoubt, words_of

KEPT = 64


def newest(collection: Collection, model: ModelVersion) -> Calibration | None:
    """The calibration that holds for `model` in `collection`, if it was ever calibrated there."""
    return Calibration.objects.filter(collection=collection, model=model).first()


def newest_in(collections: Iterable[int], model: ModelVersion) -> dict[int, Calibration]:
    """The calibration that holds for `model` in each of the collections (ids) where it has one."""
    rows = Calibration.objects.filter(collection__in=list(collections), model=model)
    return {row.collection_id: row for row in rows.order_by("collection_id", "-pk").distinct("collection_id")}


def newest_of(collection: Collection, models: Iterable[ModelVersion]) -> dict[int, Calibration]:
    """The calibration that holds in `collection` for each of the models that has one, by the model's id."""
    rows = Calibration.objects.filter(collection=collection, model__in=list(models))
    return {row.model_id: row for row in rows.order_by("model_id", "-pk").distinct("model_id")}


def required(collection: Collection, model: ModelVersion) -> Calibration:
    """As `newest`, where there has to be one. Raises EarmarkError `recognition:calibration:missing`."""
    found = newest(collection, model)
    if found is None:
        raise EarmarkError(
            "recognition:calibration:missing",
            f"{model.name} is not calibrated in {collection.slug}: what its confidence means is not known there.",
            "Have clips labelled that a round drew at random, then run `earmark calibrate`.",
        )
    return found


def calibrator_of(calibration: Calibration) -> Calibrator:
    """The calibrator a row keeps, parsed once: rows are never edited.

    Raises EarmarkError `speech:calibration:version`, `:features`, `:unreadable`.
    """
    if calibration.pk not in _parsed:
        while len(_parsed) >= KEPT:
            _parsed.pop(next(iter(_parsed)), None)
        _parsed[calibration.pk] = Calibrator.from_json(calibration.parameters)
    return _parsed[calibration.pk]


_parsed: dict[int, Calibrator] = {}


def assessed(row: Hypothesis) -> Assessed:
    """What is known of a hypothesis before anybody checked it."""
    return Assessed(row.confidence, row.features, row.flags)


def word_doubts(row: Hypothesis) -> list[WordDoubt]:
    """How sure the model was of each word; empty where the details have been thinned out or it does not tell."""
    if any(logprob is None for _, logprob, _ in row.tokens):
        return []
    tokens = [
        TokenScore(0, text, logprob, float("nan") if entropy is None else entropy)
        for text, logprob, entropy in row.tokens
    ]
    return [word for word in words_of(tokens) if word.text]


def calibrated_words(row: Hypothesis, calibration: Calibration) -> list[tuple[str, float]]:
    """The text in pieces, a word and what stands before it each, with the probability that the word is right.

    Empty where that is not known, or where the words do not spell the text.
    """
    words, calibrator = word_doubts(row), calibrator_of(calibration)
    (right,), _rate = calibrator.assess([assessed(row)])
    sure = calibrator.words(words, float(right))
    if sure is None:
        return []
    pieces, at = [], 0
    for word, one in zip(words, sure, strict=True):
        found = row.text.find(word.text, at)
        if found < 0:
            return []
        pieces.append((row.text[at : found + len(word.text)], float(one)))
        at = found + len(word.text)
    return pieces if not row.text[at:].strip() else []
