"""Generations of clips: how each was cut."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Max

from earmark.corpus.models import Collection, Segmentation


def generation_of(collection: Collection, method: str, parameters: Mapping[str, Any]) -> Segmentation:
    """The newest generation of that method if it was cut with these parameters, or the next one.

    The caller holds the collection's row, so that two do not take one number.
    """
    of_method = Segmentation.objects.filter(collection=collection, method=method)
    newest = of_method.order_by("-generation").first()
    if newest and newest.parameters == dict(parameters):
        return newest
    return next_generation(collection, method, parameters)


def next_generation(collection: Collection, method: str, parameters: Mapping[str, Any]) -> Segmentation:
    """A new generation, numbered after all others of the collection, whose row the caller holds."""
    last = Segmentation.objects.filter(collection=collection).aggregate(last=Max("generation"))["last"] or 0
    return Segmentation.objects.create(
        collection=collection, generation=last + 1, method=method, parameters=dict(parameters)
    )
