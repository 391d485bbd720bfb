"""The averaged teacher of Mean Teacher (Tarvainen and Valpola, 2017), kept in float32."""

import copy

import torch


def make_teacher(student: torch.nn.Module) -> torch.nn.Module:
    """A copy of the student that takes no gradient: what learns in float32, what does not shared with the student."""
    frozen = [p for p in student.parameters() if not p.requires_grad]
    teacher = copy.deepcopy(student, {id(parameter): parameter for parameter in frozen}).eval()
    for name, parameter in student.named_parameters():
        if parameter.requires_grad:
            mine = teacher.get_parameter(name)
            mine.data = mine.data.float()
            mine.requires_grad_(False)
    return teacher


def copy_weights(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Make every parameter and buffer of `target` equal to that of `source`."""
    with torch.no_grad():
        for mine, other in _pairs(target, source):
            mine.copy_(other)


def update_teacher(teacher: torch.nn.Module, student: torch.nn.Module, decay: float) -> None:
    """teacher <- decay * teacher + (1 - decay) * student, in float32: bfloat16 would lose a small step."""
    with torch.no_grad():
        pairs = _pairs(teacher, student)
        averaged = [(mine, other.to(mine.dtype)) for mine, other in pairs if mine.is_floating_point()]
        torch._foreach_lerp_([mine for mine, _ in averaged], [other for _, other in averaged], 1 - decay)
        for mine, other in pairs:
            if not mine.is_floating_point():
                mine.copy_(other)


def _pairs(a: torch.nn.Module, b: torch.nn.Module) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What the two have each of their own."""
    parameters = list(zip(a.parameters(), b.parameters(), strict=True))
    both = parameters + list(zip(a.buffers(), b.buffers(), strict=True))
    return [(mine, other) for mine, other in both if mine is not other]
