"""What the tests of trainings share."""

from tests.training_jobs.recipe.conftest import one_word_model

__all__ = ["one_word_model"]
