"""The job folder: what lies where, and `job.toml`."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.presets import DEFAULT_PRESET, preset
from training_jobs.recipe.recipes import Recipe, as_table, with_overrides

FORMAT = 1
DEVICES = ("cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class JobFolder:
    """Paths in a job folder. Above `metrics` is input, from there on output."""

    root: Path

    @property
    def job(self) -> Path:
        return self.root / "job.toml"

    @property
    def labelled(self) -> Path:
        return self.root / "labelled.jsonl"

    @property
    def unlabelled(self) -> Path:
        return self.root / "unlabelled.jsonl"

    @property
    def dev(self) -> Path:
        return self.root / "dev.jsonl"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint"

    @property
    def pseudo_labels(self) -> Path:
        return self.root / "pseudo_labels"

    @property
    def calibration(self) -> Path:
        return self.root / "calibration.json"

    @property
    def model(self) -> Path:
        return self.root / "model"


@dataclass(frozen=True, kw_only=True)
class Job:
    """`job.toml`: the model to start from, the recipe, and the machine.

    `threads` 0 means every core; `precision` `bfloat16` runs the forward passes under autocast, weights stay
    float32; audio up to `audio_cache_mb` mebibytes is decoded once and kept, the rest is decoded when its
    batch comes; `hearing_batch_seconds` of audio are transcribed at a time. `micro_batch_seconds` is the most audio in
    one forward pass beside the recipe's `micro_batch_size` of clips, 0 for no such limit. `processes` share the work
    on one host: more than one are started with torchrun.
    """

    base_model: str
    recipe_name: str = DEFAULT_PRESET
    recipe: Recipe
    seed: int = 0
    device: str = "cpu"
    precision: str = "float32"
    threads: int = 0
    checkpoint_seconds: float = 20.0
    audio_cache_mb: int = 2048
    hearing_batch_seconds: float = 120.0
    micro_batch_seconds: float = 0.0
    processes: int = 1


_KINDS: dict[str, type] = {
    "base_model": str, "seed": int, "device": str, "precision": str, "threads": int, "checkpoint_seconds": float,
    "audio_cache_mb": int, "hearing_batch_seconds": float, "micro_batch_seconds": float, "processes": int,
}  # fmt: skip


def write_job_toml(path: Path, job: Job) -> None:
    """Write `job` so that `read_job` gives it back, every recipe value spelt out."""
    lines = [f"format = {FORMAT}", *(f"{name} = {_toml(getattr(job, name))}" for name in _KINDS)]
    table = as_table(job.recipe)
    parts = {name: value for name, value in table.items() if isinstance(value, dict)}
    lines += ["", "[recipe]", f"preset = {_toml(job.recipe_name)}"]
    lines += [f"{name} = {_toml(value)}" for name, value in table.items() if name not in parts]
    for part, values in parts.items():
        lines += ["", f"[recipe.{part}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_job(path: Path) -> Job:
    """Parse `job.toml`; a recipe value it leaves out is the preset's.

    Raises EarmarkError `training:job:unreadable`, `training:job:format`, `training:job:option`, or one of the
    recipe's `training:recipe:*`.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EarmarkError(
            "training:job:unreadable", f"{path} cannot be read: {error}.", "Write the job folder again."
        ) from error
    found = values.pop("format", None)
    if found != FORMAT:
        raise EarmarkError(
            "training:job:format",
            f"{path} has format {found!r}; this trainer reads {FORMAT}.",
            "Prepare the job and train it with the same version.",
        )
    table = values.pop("recipe", {})
    if not isinstance(table, dict):
        raise _option_error("recipe", table, "a table")
    name = table.pop("preset", DEFAULT_PRESET)
    recipe = with_overrides(preset(name), table)
    return checked_job(recipe_name=name, recipe=recipe, **values)


def checked_job(*, recipe_name: str, recipe: Recipe, **options: Any) -> Job:
    """A Job of checked options. Raises EarmarkError `training:job:option` naming the wrong one."""
    for name, value in options.items():
        if name not in _KINDS:
            raise EarmarkError(
                "training:job:option",
                f"job.toml has no option {name!r}.",
                f"Known options: {', '.join(_KINDS)}.",
            )
        if _KINDS[name] is float and type(value) is int:
            options[name] = float(value)
        elif type(value) is not _KINDS[name]:
            raise _option_error(name, value, f"of type {_KINDS[name].__name__}")
    if not options.get("base_model"):
        raise _option_error("base_model", options.get("base_model", ""), "a model folder or hub id")
    job = Job(recipe_name=recipe_name, recipe=recipe, **options)
    for name, allowed in (("device", DEVICES), ("precision", PRECISIONS)):
        if getattr(job, name) not in allowed:
            raise _option_error(name, getattr(job, name), f"one of {', '.join(allowed)}")
    for name, kind in _KINDS.items():
        least = 1 if name == "processes" else 0
        if kind is not str and getattr(job, name) < least:
            raise _option_error(name, getattr(job, name), f"at least {least}")
    return job


def _toml(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return repr(value)


def _option_error(name: str, value: Any, wanted: str) -> EarmarkError:
    return EarmarkError("training:job:option", f"{name} of job.toml is {value!r}.", f"It must be {wanted}.")
