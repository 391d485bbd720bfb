import pytest
import torch

from training_jobs.recipe.gradient_guard import GradientGuard, RunningVariance, sample_gradient


def _noise(scale: float, seed: int) -> torch.Tensor:
    return 1.0 + scale * torch.randn(500, generator=torch.Generator().manual_seed(seed))


def _fed(
    guard: GradientGuard, *, real: float, pseudo: float, steps: int = 60, pseudo_clips: int = 8
) -> GradientGuard:
    for step in range(steps):
        guard.add(_noise(real, step), 8, _noise(pseudo, 10_000 + step), pseudo_clips)
    return guard


def test_the_running_variance_is_that_of_the_noise_not_of_the_mean():
    running = RunningVariance()
    for step in range(200):
        running.add(_noise(0.5, step))
    assert running.value == pytest.approx(500 * 0.25, rel=0.2)
    constant = RunningVariance()
    for _ in range(50):
        constant.add(torch.full((500,), 3.0))
    assert constant.value == pytest.approx(0.0, abs=1e-2)


def test_the_guard_trips_only_above_its_ratio():
    assert not _fed(GradientGuard(2.0), real=1.0, pseudo=1.2).exceeded
    assert _fed(GradientGuard(2.0), real=1.0, pseudo=2.0).exceeded
    assert not _fed(GradientGuard(0.0), real=1.0, pseudo=9.0).exceeded


def test_variance_is_compared_per_clip():
    noisy_because_small = _fed(GradientGuard(2.0), real=1.0, pseudo=2.0, pseudo_clips=2)
    assert noisy_because_small.ratio == pytest.approx(1.0, rel=0.3)
    assert not noisy_because_small.exceeded


def test_the_guard_waits_until_it_can_tell_and_again_after_a_reset():
    guard = _fed(GradientGuard(2.0), real=0.1, pseudo=9.0, steps=5)
    assert not guard.exceeded
    _fed(guard, real=0.1, pseudo=9.0)
    assert guard.exceeded
    guard.reset()
    assert not guard.exceeded


def test_the_state_comes_back_whole():
    guard = _fed(GradientGuard(2.0), real=1.0, pseudo=1.5)
    copy = GradientGuard(2.0)
    copy.load(guard.state())
    assert copy.ratio == guard.ratio
    for each in (guard, copy):
        _fed(each, real=1.0, pseudo=1.5, steps=3)
    assert copy.ratio == guard.ratio


def test_the_same_coordinates_are_sampled_with_and_without_gradients():
    model = torch.nn.Sequential(torch.nn.Linear(400, 300), torch.nn.Linear(300, 10))
    assert sample_gradient(model).count_nonzero() == 0
    model[0](torch.ones(2, 400)).sum().backward()
    sampled = sample_gradient(model)
    assert 50_000 < len(sampled) <= 65_536 + 4
    assert sampled.count_nonzero() > 0
