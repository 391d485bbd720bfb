import torch

from training_jobs.recipe.mean_teacher import copy_weights, make_teacher, update_teacher


def _linear(value: float, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.weight, value)
    torch.nn.init.constant_(layer.bias, value)
    return layer.to(dtype)


def test_the_teacher_is_the_exponential_average_of_the_student():
    student = _linear(0.0)
    teacher = make_teacher(student)
    copy_weights(_linear(1.0), student)
    for _ in range(3):
        update_teacher(teacher, student, 0.9)
    torch.testing.assert_close(teacher.weight, torch.full((2, 2), 1 - 0.9**3))


def test_small_steps_are_not_lost_where_the_student_is_bfloat16():
    student = _linear(1.0, torch.bfloat16)
    teacher = make_teacher(student)
    copy_weights(_linear(1.0078125, torch.bfloat16), student)
    for _ in range(1000):
        update_teacher(teacher, student, 0.999)
    assert teacher.weight.dtype == torch.float32
    torch.testing.assert_close(teacher.weight, torch.full((2, 2), 1 + 0.0078125 * (1 - 0.999**1000)))


def test_the_teacher_takes_no_gradient_and_does_not_share_weights():
    student = _linear(0.5)
    teacher = make_teacher(student)
    assert not any(p.requires_grad for p in teacher.parameters())
    torch.nn.init.zeros_(student.weight)
    assert teacher.weight[0, 0] == 0.5
