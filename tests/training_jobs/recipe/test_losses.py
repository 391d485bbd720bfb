import math

import torch

from training_jobs.recipe.losses import IGNORED, consistency, cross_entropy, first_label_position

ONES = torch.ones(2)


def test_cross_entropy_is_the_mean_over_labelled_tokens():
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.9, 0.1]], [[0.25, 0.75], [0.5, 0.5]]]))
    labels = torch.tensor([[0, IGNORED], [1, 0]])
    expected = -(math.log(0.5) + math.log(0.75) + math.log(0.5)) / 3
    assert cross_entropy(logits, labels, ONES).item() == torch.tensor(expected).item()


def test_a_clip_of_weight_zero_does_not_count():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2, IGNORED], [4, 0, 3]])
    only_second = cross_entropy(logits[1:], labels[1:], torch.ones(1))
    torch.testing.assert_close(cross_entropy(logits, labels, torch.tensor([0.0, 1.0])), only_second)


def test_no_labels_give_a_loss_of_zero():
    assert cross_entropy(torch.zeros(2, 1, 3), torch.full((2, 1), IGNORED), ONES).item() == 0.0


def test_consistency_is_zero_where_both_agree_and_positive_elsewhere():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[1, 2, 3], [4, 0, IGNORED]])
    assert consistency(logits, logits.clone(), labels, ONES).abs().item() < 1e-6
    assert consistency(logits, logits.flip(-1), labels, ONES).item() > 0.1


def test_consistency_teaches_the_student_only():
    student = torch.zeros(1, 1, 2, requires_grad=True)
    teacher = torch.tensor([[[2.0, 0.0]]], requires_grad=True)
    consistency(student, teacher, torch.tensor([[0]]), torch.ones(1)).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad[0, 0, 0] < 0 < student.grad[0, 0, 1]


def test_the_first_label_is_that_of_any_row():
    assert first_label_position(torch.tensor([[IGNORED, IGNORED, 1], [IGNORED, 2, 1]])) == 1
    assert first_label_position(torch.full((1, 4), IGNORED)) == 4
