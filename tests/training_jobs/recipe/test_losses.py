import math

import torch

from training_jobs.recipe.losses import IGNORED, consistency, cross_entropy, first_label_position


def _random_logits(seed: int) -> torch.Tensor:
    return torch.randn(5, 7, generator=torch.Generator().manual_seed(seed))


def test_cross_entropy_is_the_mean_over_tokens():
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]]))
    expected = -(math.log(0.5) + math.log(0.75) + math.log(0.5)) / 3
    found = cross_entropy(logits, torch.tensor([0, 1, 0]), torch.ones(3)).item()
    assert found == torch.tensor(expected).item()


def test_a_token_of_weight_zero_does_not_count():
    logits, labels = _random_logits(0), torch.tensor([1, 2, 4, 0, 3])
    rest = cross_entropy(logits[2:], labels[2:], torch.full((3,), 0.5))
    torch.testing.assert_close(cross_entropy(logits, labels, torch.tensor([0.0, 0.0, 0.5, 0.5, 0.5])), rest)


def test_no_tokens_give_a_loss_of_zero():
    nothing = torch.zeros(0, dtype=torch.long)
    assert cross_entropy(torch.zeros(0, 3), nothing, torch.zeros(0)).item() == 0.0


def test_consistency_is_zero_where_both_agree_and_positive_elsewhere():
    logits = _random_logits(1)
    assert consistency(logits, logits.clone(), torch.ones(5)).abs().item() < 1e-6
    assert consistency(logits, logits.flip(-1), torch.ones(5)).item() > 0.1


def test_consistency_teaches_the_student_only():
    student = torch.zeros(1, 2, requires_grad=True)
    teacher = torch.tensor([[2.0, 0.0]], requires_grad=True)
    consistency(student, teacher, torch.ones(1)).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad[0, 0] < 0 < student.grad[0, 1]


def test_the_first_label_is_that_of_any_row():
    assert first_label_position(torch.tensor([[IGNORED, IGNORED, 1], [IGNORED, 2, 1]])) == 1
    assert first_label_position(torch.full((1, 4), IGNORED)) == 4
