"""What a training run does, as numbers: the recipe, its named presets, and the checks on both."""

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from earmark.speech.errors import EarmarkError


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How the student's audio is disturbed. A chance or a width of 0 turns that disturbance off.

    `speed` is the largest relative change of tempo and pitch by resampling; `noise_snr_*` are decibels;
    `*_mask_width` are the largest shares of the mel bands, or of a clip's frames, that one mask covers.
    """

    speed: float = 0.1
    noise_chance: float = 0.5
    noise_snr_low: float = 10.0
    noise_snr_high: float = 30.0
    reverb_chance: float = 0.2
    frequency_masks: int = 2
    frequency_mask_width: float = 0.15
    time_masks: int = 2
    time_mask_width: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Supervised warm-up, pseudo-labels, mixed training against an averaged teacher.

    The defaults are the recipe `mean-teacher`. Shares and chances are in 0..1.
    """

    # optimiser: AdamW, linear rise, cosine fall
    learning_rate: float = 2e-5
    rise_share: float = 0.05
    """Share of all steps over which the learning rate rises from 0."""
    final_share: float = 0.1
    """What is left of the learning rate at the last step."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    batch_size: int = 16
    micro_batch_size: int = 16
    """Most clips in one forward pass; gradients of a larger batch are accumulated."""

    # stages
    warm_up_epochs: int = 4
    mixed_epochs: int = 10
    epoch_steps: int = 0
    """Steps per epoch; 0: as many as one pass over the labelled clips takes."""
    patience: int = 3
    """Mixed epochs without a better dev error rate before the run stops; 0: never."""
    keep_within: float = 0.0
    """Standard errors by which later weights may be worse on dev than the best and be kept in their stead; 0: none."""

    # pseudo-labels
    pseudo_score: str = "mean"
    """What is held against the threshold: `mean` probability of the tokens, or that of the whole `sequence`."""
    pseudo_threshold: float = 0.9
    """Least score of an accepted pseudo-label."""
    pseudo_share_start: float = 0.3
    pseudo_share_end: float = 0.5
    """Share of pseudo-labelled clips in a batch, moving linearly over the mixed epochs."""
    relabel_epochs: int = 0
    """Mixed epochs between two labelling passes; 0: label once, and again only after a pause."""
    guard_ratio: float = 2.0
    """Pause pseudo-labels where their gradient variance exceeds this many times the real one; 0: never."""

    # replay: what the base model was sure of is kept as it heard it, lest a few new labels make it forget
    replay_share: float = 0.0
    """Share of every batch, from the first step on, drawn from such clips; 0: none are kept."""
    replay_threshold: float = 0.95
    """Least score of a clip that is kept so; later passes do not hear it again."""

    # teacher
    teacher_decay: float = 0.999
    teacher_keep_per_epoch: float = 0.0
    """What one epoch leaves of the old teacher; over 0 it sets the decay, whatever `teacher_decay` says."""
    consistency_weight: float = 1.0
    consistency_rise_share: float = 0.3
    """Share of the mixed steps over which the consistency weight rises from 0."""

    augmentation: Augmentation = field(default_factory=Augmentation)


PRESETS: dict[str, Recipe] = {
    "mean-teacher": Recipe(),
    "demo": Recipe(
        learning_rate=6e-4,
        batch_size=24,
        micro_batch_size=24,
        warm_up_epochs=1,
        mixed_epochs=5,
        epoch_steps=60,
        patience=0,
        keep_within=1.0,
        pseudo_share_start=0.3,
        pseudo_share_end=0.35,
        relabel_epochs=1,
        teacher_keep_per_epoch=0.5,
        pseudo_score="sequence",
        pseudo_threshold=0.75,
        replay_share=0.4,
        guard_ratio=0.0,
    ),
}
DEFAULT_PRESET = "mean-teacher"

_Options = TypeVar("_Options", Recipe, Augmentation)

_POSITIVE = {"learning_rate", "clip_norm", "batch_size", "micro_batch_size"}
_SHARES = {
    "rise_share", "final_share", "pseudo_threshold", "replay_threshold", "pseudo_share_start", "pseudo_share_end",
    "replay_share", "teacher_decay",
    "teacher_keep_per_epoch", "consistency_rise_share", "noise_chance", "reverb_chance", "frequency_mask_width",
    "time_mask_width",
}  # fmt: skip
_BELOW_ONE = {
    "teacher_decay",
    "teacher_keep_per_epoch",
    "pseudo_share_start",
    "pseudo_share_end",
    "replay_share",
    "speed",
}
_CHOICES = {"pseudo_score": ("mean", "sequence")}
_ANY_SIGN = {"noise_snr_low", "noise_snr_high"}


def preset(name: str) -> Recipe:
    """The recipe of that name. Raises EarmarkError `training:recipe:unknown`."""
    if name not in PRESETS:
        raise EarmarkError(
            "training:recipe:unknown",
            f"There is no recipe {name!r}.",
            f"Choose one of: {', '.join(sorted(PRESETS))}.",
        )
    return PRESETS[name]


def with_overrides(recipe: Recipe, overrides: dict[str, Any]) -> Recipe:
    """`recipe` with the named values replaced; `augmentation` takes a table of its own.

    Raises EarmarkError `training:recipe:unknown-option`, `training:recipe:type` or `training:recipe:range`.
    """
    changed = _override(recipe, overrides, "")
    if changed.augmentation.noise_snr_low > changed.augmentation.noise_snr_high:
        raise _range_error(
            "augmentation.noise_snr_low", changed.augmentation.noise_snr_low, "<= noise_snr_high"
        )
    for end in ("pseudo_share_start", "pseudo_share_end"):
        if getattr(changed, end) + changed.replay_share >= 1:
            raise _range_error(end, getattr(changed, end), "below 1 together with replay_share")
    if changed.warm_up_epochs + changed.mixed_epochs == 0:
        raise _range_error("mixed_epochs", 0, "at least 1 where warm_up_epochs is 0")
    return changed


def as_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as nested plain values, as `job.toml` holds it and `with_overrides` reads it."""
    return asdict(recipe)


def _override(base: _Options, overrides: dict[str, Any], prefix: str) -> _Options:
    known = {f.name: getattr(base, f.name) for f in fields(base)}
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        if name not in known:
            raise EarmarkError(
                "training:recipe:unknown-option",
                f"The recipe has no option {prefix + name!r}.",
                f"Known options: {', '.join(sorted(known))}.",
            )
        current = known[name]
        if isinstance(current, Augmentation):
            if not isinstance(value, dict):
                raise _type_error(prefix + name, value, "a table")
            values[name] = _override(current, value, f"{prefix}{name}.")
        else:
            values[name] = _checked(prefix + name, name, value, type(current))
    return replace(base, **values)


def _checked(shown: str, name: str, value: Any, kind: type) -> int | float | str:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise _range_error(shown, value, f"one of {', '.join(_CHOICES[name])}")
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise _type_error(shown, value, {int: "a whole number", float: "a number"}[kind])
    number: int | float = float(value) if kind is float else value
    if not math.isfinite(number):
        raise _range_error(shown, value, "finite")
    if name in _POSITIVE and number <= 0:
        raise _range_error(shown, value, "over 0")
    if name not in _ANY_SIGN and number < 0:
        raise _range_error(shown, value, "at least 0")
    if name in _SHARES and number > 1:
        raise _range_error(shown, value, "at most 1")
    if name in _BELOW_ONE and number >= 1:
        raise _range_error(shown, value, "below 1")
    return number


def _type_error(name: str, value: Any, wanted: str) -> EarmarkError:
    return EarmarkError("training:recipe:type", f"The recipe's {name} is {value!r}.", f"It must be {wanted}.")


def _range_error(name: str, value: Any, wanted: str) -> EarmarkError:
    return EarmarkError(
        "training:recipe:range", f"The recipe's {name} is {value!r}.", f"It must be {wanted}."
    )
