"""Whether pseudo-labels pull where real labels do not: their gradient variance against the real one."""

from dataclasses import dataclass, field

import torch

_COORDINATES = 65_536
_MEMORY = 0.9
"""What one step leaves of the running moments: about ten steps are remembered."""
_LEAST_STEPS = 10


def sample_gradient(model: torch.nn.Module) -> torch.Tensor:
    """The same evenly spread coordinates (about 65,536 at most) of the model's gradient, float32 [n] on the
    CPU.

    A parameter without a gradient counts as zeros.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    stride = max(1, -(-sum(p.numel() for p in parameters) // _COORDINATES))
    pieces = [
        (p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1)[::stride] for p in parameters
    ]
    return torch.cat(pieces).detach().float().cpu()


@dataclass
class RunningVariance:
    """Running variance of a vector, over all coordinates: E|g|^2 - |E g|^2 with exponential forgetting."""

    mean: torch.Tensor = field(default_factory=lambda: torch.zeros(0))
    square: float = 0.0
    steps: int = 0

    def add(self, vector: torch.Tensor) -> None:
        if self.steps == 0:
            self.mean = torch.zeros_like(vector)
        self.mean = _MEMORY * self.mean + (1 - _MEMORY) * vector
        self.square = _MEMORY * self.square + (1 - _MEMORY) * float(vector.square().sum())
        self.steps += 1

    @property
    def value(self) -> float:
        """The variance, corrected for the zeros the running moments began with."""
        if self.steps == 0:
            return 0.0
        seen = 1 - _MEMORY**self.steps
        return max(0.0, self.square / seen - float((self.mean / seen).square().sum()))


@dataclass
class GradientGuard:
    """Per-clip gradient variance of real and pseudo-labelled batches, step by step.

    A batch gradient is a mean over its clips, so its variance is multiplied by their number to compare
    batches of different sizes.
    """

    ratio_limit: float
    real: RunningVariance = field(default_factory=RunningVariance)
    pseudo: RunningVariance = field(default_factory=RunningVariance)
    real_clips: int = 0
    pseudo_clips: int = 0

    def add(self, real: torch.Tensor, real_clips: int, pseudo: torch.Tensor, pseudo_clips: int) -> None:
        """Note one step's mean gradients over `real_clips` and `pseudo_clips` clips."""
        self.real.add(real)
        self.pseudo.add(pseudo)
        self.real_clips, self.pseudo_clips = real_clips, pseudo_clips

    @property
    def ratio(self) -> float:
        """Pseudo over real variance per clip; 0 before there are enough steps to tell."""
        if self.real.steps < _LEAST_STEPS:
            return 0.0
        return self.pseudo.value * self.pseudo_clips / max(self.real.value * self.real_clips, 1e-20)

    @property
    def exceeded(self) -> bool:
        return self.ratio_limit > 0 and self.ratio > self.ratio_limit

    def reset(self) -> None:
        """Forget: new pseudo-labels are judged by their own gradients."""
        self.real, self.pseudo = RunningVariance(), RunningVariance()

    def state(self) -> dict[str, torch.Tensor]:
        """Everything as tensors, for a checkpoint."""
        return {
            "real_mean": self.real.mean,
            "pseudo_mean": self.pseudo.mean,
            "scalars": torch.tensor(
                [self.real.square, self.pseudo.square, self.real.steps, self.pseudo.steps, self.real_clips,
                 self.pseudo_clips],
                dtype=torch.float64,
            ),
        }  # fmt: skip

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state` gave."""
        squares, counts = state["scalars"][:2].tolist(), [int(v) for v in state["scalars"][2:].tolist()]
        self.real = RunningVariance(state["real_mean"], squares[0], counts[0])
        self.pseudo = RunningVariance(state["pseudo_mean"], squares[1], counts[1])
        self.real_clips, self.pseudo_clips = counts[2], counts[3]
