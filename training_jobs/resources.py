"""What a training asks of the machines, and which models a recipe can train."""

from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from earmark.recognition.models import ModelVersion
from earmark.speech.errors import EarmarkError

TRAINED_ENGINE = "glm-asr"
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Resources:
    """`processes` share the work on one host, each with a device; `precision` of the passes through the model."""

    processes: int = 1
    precision: str = "float32"

    def check(self) -> None:
        """Raise EarmarkError `training:resources:devices` or `training:resources:precision`."""
        devices = settings.EARMARK.training_devices
        if not 1 <= self.processes <= len(devices):
            raise EarmarkError(
                "training:resources:devices",
                f"The training asks for {self.processes} processes; these devices train: {', '.join(devices)}.",
                "Ask for fewer, or name more devices in EARMARK_TRAINING_DEVICES.",
            )
        if self.precision not in PRECISIONS:
            raise EarmarkError(
                "training:resources:precision",
                f"There is no precision {self.precision!r}.",
                f"Choose one of: {', '.join(PRECISIONS)}.",
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the row."""
        return asdict(self)


def refuse_untrainable(base: ModelVersion) -> None:
    """Raise EarmarkError `training:base:engine` for a model that no recipe trains."""
    if base.engine != TRAINED_ENGINE:
        raise EarmarkError(
            "training:base:engine",
            f"The model {base.name} is of the engine {base.engine!r}; recipes train {TRAINED_ENGINE!r} alone.",
            f"Choose a model of the engine {TRAINED_ENGINE!r}, or make one the champion.",
        )
