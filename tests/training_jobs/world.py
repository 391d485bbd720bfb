"""Trainings that can really be run: tones for speech, a model of one layer, a few steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import override_settings

from earmark.corpus.models import Collection
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import set_alias
from tests.recognition.world import make_clip, make_collection
from training_jobs.models import TrainingJob
from training_jobs.services import launch

FEW_STEPS = {
    "learning_rate": 1e-3, "batch_size": 2, "micro_batch_size": 2, "warm_up_epochs": 2, "mixed_epochs": 0,
    "epoch_steps": 2, "patience": 0, "guard_ratio": 0.0,
}  # fmt: skip


def with_platform(**changes: Any) -> Any:
    """The platform's settings with `changes`, for a while."""
    return override_settings(EARMARK=replace(settings.EARMARK, **changes))


def labelled_collection(model: Path | str = "nowhere", *, clips: int = 3) -> Collection:
    """A collection of so many labelled train clips, two dev and two unlabelled ones; `model` is its champion."""
    collection = make_collection()
    for level in range(1, clips + 1):
        make_clip(collection, level, text="four")
    for level in (20, 21):
        make_clip(collection, level, text="four", speaker="bob", split="dev")
    for level in (30, 31):
        make_clip(collection, level)
    base = ModelVersion.objects.create(name=f"base-{collection.slug}", source=str(model))
    set_alias(collection=collection, name="champion", model=base, by=None)
    return collection


def a_launch(collection: Collection, **changes: Any) -> TrainingJob:
    """A launched training of a few steps."""
    return launch(
        collection=collection, **{"recipe": "article", "seed": 1, "overrides": FEW_STEPS, **changes}
    )


def until(condition: Callable[[], bool], *, tries: int = 600, pause: Callable[[], None]) -> None:
    """Call `pause` until `condition` holds."""
    for _ in range(tries):
        if condition():
            return
        pause()
    raise AssertionError("it never came to be")
