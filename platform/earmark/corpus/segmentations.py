"""Generations of clips: how each was cut."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Max

from earmark.corpus.models import Collection, Segmentation


def generation_of(collection: Collection, method: str, parameters: Mapping[str, Any]) -> Segmentation:
    """The newest generation that was cut by that method with these parameters, or a new one.

    It need not be the method's newest: what was cut while another generation was asked for must not outdo that. The
    caller holds the collection's row, so that two do not take one number.
    """
    alike = Segmentation.objects.filter(collection=collection, method=method, parameters=dict(parameters))
    return alike.order_by("-generation").first() or next_generation(collection, method, parameters)


def newest_found(collection: Collection) -> Segmentation | None:
    """The generation that the collection's recordings are to be of, those with given stretches left out."""
    found = Segmentation.objects.filter(collection=collection, method=Segmentation.Method.VOICE)
    return found.order_by("-generation").first()


def next_generation(collection: Collection, method: str, parameters: Mapping[str, Any]) -> Segmentation:
    """A new generation, numbered after all others of the collection, whose row the caller holds."""
    last = Segmentation.objects.filter(collection=collection).aggregate(last=Max("generation"))["last"] or 0
    return Segmentation.objects.create(
        collection=collection, generation=last + 1, method=method, parameters=dict(parameters)
    )
