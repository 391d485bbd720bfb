"""Reads: which calibration of a model holds in a collection, and the calibrator it keeps."""

from collections.abc import Iterable

from earmark.corpus.models import Collection
from earmark.recognition.models import Calibration, ModelVersion
from earmark.speech.calibration import Calibrator
from earmark.speech.errors import EarmarkError

KEPT = 64


def newest(collection: Collection, model: ModelVersion) -> Calibration | None:
    """The calibration that holds for `model` in `collection`, if it was ever calibrated there."""
    return Calibration.objects.filter(collection=collection, model=model).first()


def newest_in(collections: Iterable[int], model: ModelVersion) -> dict[int, Calibration]:
    """The calibration that holds for `model` in each of the collections (ids) where it has one."""
    rows = Calibration.objects.filter(collection__in=list(collections), model=model)
    return {row.collection_id: row for row in rows.order_by("collection_id", "-pk").distinct("collection_id")}


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
