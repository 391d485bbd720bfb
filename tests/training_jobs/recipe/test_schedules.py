from dataclasses import replace
from itertools import pairwise

import pytest

from training_jobs.recipe.recipes import Recipe
from training_jobs.recipe.schedules import (
    consistency_weight,
    learning_rate,
    make_plan,
    pseudo_share,
    split_batch,
    teacher_decay,
)


def test_a_plan_warms_up_then_mixes_without_a_gap():
    plan = make_plan(Recipe(warm_up_epochs=2, mixed_epochs=3, batch_size=10), labelled=25, unlabelled=400)
    assert [e.stage for e in plan.epochs] == ["warm-up"] * 2 + ["mixed"] * 3
    assert [e.steps for e in plan.epochs[:2]] == [3, 3]
    assert [(e.real, e.pseudo) for e in plan.epochs] == [(10, 0), (10, 0), (7, 3), (6, 4), (5, 5)]
    assert [e.steps for e in plan.epochs[2:]] == [4, 5, 5]
    assert all(a.end_step == b.first_step for a, b in pairwise(plan.epochs))
    assert plan.total_steps == 20
    assert plan.mixed_start == 6
    assert plan.epoch_of(9).index == 2
    assert plan.epoch_of(10).index == 3


def test_epoch_steps_replaces_the_pass_over_the_labelled_clips():
    plan = make_plan(Recipe(epoch_steps=7, warm_up_epochs=1, mixed_epochs=2), labelled=1000, unlabelled=1)
    assert [e.steps for e in plan.epochs] == [7, 7, 7]


@pytest.mark.parametrize(("every", "passes"), [(0, [0]), (1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3])])
def test_the_teacher_labels_at_the_start_of_the_mixed_stage_and_then_as_often_as_told(every, passes):
    plan = make_plan(Recipe(warm_up_epochs=2, mixed_epochs=5, relabel_epochs=every), labelled=9, unlabelled=9)
    assert [e.index - 2 for e in plan.epochs if e.relabel] == passes
    assert plan.labelling_passes == len(passes)


def test_without_unlabelled_clips_there_is_nothing_to_label():
    plan = make_plan(Recipe(), labelled=30, unlabelled=0)
    assert plan.labelling_passes == 0
    assert {(e.real, e.pseudo) for e in plan.epochs} == {(16, 0)}


def test_the_share_moves_linearly_and_a_batch_always_holds_both():
    recipe = Recipe(mixed_epochs=5, pseudo_share_start=0.3, pseudo_share_end=0.7)
    assert [round(pseudo_share(recipe, e), 2) for e in range(5)] == [0.3, 0.4, 0.5, 0.6, 0.7]
    assert split_batch(16, 0.3, 0.0) == (11, 5, 0)
    assert split_batch(16, 0.01, 0.25) == (11, 1, 4)
    assert split_batch(16, 0.99, 0.0) == (1, 16, 0)
    assert split_batch(24, 0.4, 0.25) == (8, 10, 6)
    assert split_batch(16, 0.0, 0.0) == (16, 0, 0)


def test_the_learning_rate_rises_then_falls_to_its_final_share():
    recipe = Recipe(learning_rate=1.0, rise_share=0.1, final_share=0.05)
    rates = [learning_rate(recipe, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == max(rates) == 1.0
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.05)


def test_consistency_waits_for_the_mixed_stage_and_rises():
    recipe = Recipe(
        warm_up_epochs=1, mixed_epochs=1, epoch_steps=10, consistency_weight=2.0, consistency_rise_share=0.5
    )
    plan = make_plan(recipe, labelled=5, unlabelled=5)
    values = [consistency_weight(recipe, step, plan) for step in range(20)]
    assert values[:10] == [0.0] * 10
    assert 0 < values[10] < values[12] < values[15]
    assert values[15:] == [2.0] * 5
    assert consistency_weight(replace(recipe, consistency_rise_share=0.0), 10, plan) == 2.0


def test_the_decay_follows_what_an_epoch_should_leave():
    assert teacher_decay(Recipe(), 50) == 0.999
    assert teacher_decay(Recipe(teacher_keep_per_epoch=0.5), 50) ** 50 == pytest.approx(0.5)


def test_a_pass_is_for_the_epochs_up_to_the_next():
    recipe = Recipe(
        warm_up_epochs=2, mixed_epochs=5, relabel_epochs=2, epoch_steps=10, batch_size=20, replay_share=0.1,
        pseudo_share_start=0.3, pseudo_share_end=0.5,
    )  # fmt: skip
    plan = make_plan(recipe, labelled=100, unlabelled=1000)
    pseudo = [e.pseudo for e in plan.epochs]
    assert pseudo == [0, 0, 6, 7, 8, 9, 10]
    assert [plan.pseudo_from(step) for step in (20, 40, 60)] == [130, 170, 100]
    assert plan.pseudo_from(50) == 90
    assert plan.replayed == 7 * 10 * 2


def test_the_threshold_falls_over_the_mixed_epochs_and_not_before():
    recipe = Recipe(warm_up_epochs=1, mixed_epochs=3, pseudo_threshold=0.9, pseudo_threshold_fall=0.2)
    plan = make_plan(recipe, labelled=100, unlabelled=1000)
    assert [round(e.pseudo_threshold, 3) for e in plan.epochs] == [0.9, 0.9, 0.8, 0.7]
    whole = make_plan(replace(recipe, pseudo_threshold_fall=1.0), labelled=100, unlabelled=1000)
    assert whole.epochs[-1].pseudo_threshold == 0.0
