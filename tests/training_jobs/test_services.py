"""What is asked of the trainer."""

import pytest

from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import set_alias
from earmark.speech.errors import EarmarkError
from tests.recognition.world import make_clip, make_collection
from training_jobs.models import TrainingJob
from training_jobs.services import launch


@pytest.mark.django_db
def test_a_champion_that_no_recipe_trains_is_refused_at_once() -> None:
    collection = make_collection()
    make_clip(collection, 1, text="one")
    whisper = ModelVersion.objects.create(name="large", source="openai/whisper-large-v3", engine="whisper")
    set_alias(collection=collection, name="champion", model=whisper, by=None)
    with pytest.raises(EarmarkError, match="large is of the engine 'whisper'") as caught:
        launch(collection=collection, recipe="article", seed=1)
    assert caught.value.error_id == "training:base:engine"
    assert not TrainingJob.objects.exists()
