import pytest

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.presets import PRESETS, preset
from training_jobs.recipe.recipes import Recipe, as_table, with_overrides


def test_the_given_recipe_is_the_default_with_the_given_values():
    recipe = preset("article")
    assert recipe == Recipe()
    assert (recipe.learning_rate, recipe.batch_size, recipe.teacher_decay) == (2e-5, 16, 0.999)
    assert (recipe.pseudo_threshold, recipe.pseudo_share_start, recipe.guard_ratio) == (0.9, 0.3, 2.0)
    assert 3 <= recipe.warm_up_epochs <= 5
    assert 10 <= recipe.warm_up_epochs + recipe.mixed_epochs <= 15


@pytest.mark.parametrize("name", PRESETS)
def test_a_table_gives_the_same_recipe_back(name):
    assert with_overrides(preset("article"), as_table(preset(name))) == preset(name)


def test_overrides_reach_the_augmentation_and_leave_the_rest():
    recipe = with_overrides(Recipe(), {"batch_size": 8, "augmentation": {"speed": 0}})
    assert recipe.batch_size == 8
    assert recipe.augmentation.speed == 0.0
    assert recipe.augmentation.noise_chance == Recipe().augmentation.noise_chance


@pytest.mark.parametrize(
    ("overrides", "error_id", "named"),
    [
        ({"batchsize": 8}, "training:recipe:unknown-option", "batchsize"),
        ({"augmentation": {"echo": 1}}, "training:recipe:unknown-option", "augmentation.echo"),
        ({"batch_size": 8.5}, "training:recipe:type", "8.5"),
        ({"batch_size": True}, "training:recipe:type", "True"),
        ({"learning_rate": "fast"}, "training:recipe:type", "fast"),
        ({"augmentation": 3}, "training:recipe:type", "augmentation"),
        ({"learning_rate": 0}, "training:recipe:range", "learning_rate"),
        ({"learning_rate": float("nan")}, "training:recipe:range", "nan"),
        ({"pseudo_threshold": 1.5}, "training:recipe:range", "1.5"),
        ({"teacher_decay": 1}, "training:recipe:range", "teacher_decay"),
        ({"pseudo_score": "best"}, "training:recipe:range", "sequence"),
        ({"replay_share": 0.6}, "training:recipe:range", "pseudo_share_end"),
        ({"views": 2}, "training:recipe:range", "1, 3, 5"),
        ({"patience": -1}, "training:recipe:range", "-1"),
        ({"augmentation": {"noise_snr_low": 40}}, "training:recipe:range", "noise_snr_low"),
        ({"warm_up_epochs": 0, "mixed_epochs": 0}, "training:recipe:range", "mixed_epochs"),
    ],
)
def test_a_wrong_value_is_named(overrides, error_id, named):
    with pytest.raises(EarmarkError) as caught:
        with_overrides(Recipe(), overrides)
    assert caught.value.error_id == error_id
    assert named in str(caught.value)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(EarmarkError, match="article") as caught:
        preset("magic")
    assert caught.value.error_id == "training:recipe:unknown"
