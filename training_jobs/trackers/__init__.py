"""Figures of trainings for other programs that draw them: TensorBoard and MLflow, where they are set."""

from training_jobs.trackers.sending import close, send

__all__ = ["close", "send"]
