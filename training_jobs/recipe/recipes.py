"""What a training run does, as numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from training_jobs.recipe.options import (
    at_least_zero,
    one_of,
    override,
    positive,
    range_error,
    share,
    share_below_one,
)

VIEWS = (1, 3, 5)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How the student's audio is disturbed. A chance or a width of 0 turns that disturbance off.

    `speed` is the largest relative change of tempo and pitch by resampling; `noise_snr_*` are decibels;
    `*_mask_width` are the largest shares of the mel bands, or of a clip's frames, that one mask covers.
    """

    speed: float = share_below_one(0.1)
    speed_chance: float = share(0.67)
    noise_chance: float = share(0.5)
    noise_snr_low: float = 10.0
    noise_snr_high: float = 30.0
    reverb_chance: float = share(0.2)
    frequency_masks: int = at_least_zero(2)
    frequency_mask_width: float = share(0.15)
    time_masks: int = at_least_zero(2)
    time_mask_width: float = share(0.1)


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """Which weights learn.

    `method` `full`: all of the language model; `lora`: low-rank adapters on its attention and feed-forward layers
    (Hu 2021), merged into the weights at the end. The projector between encoder and language model and the encoder
    itself learn in full where they are set to.
    """

    method: str = one_of("full", "lora")
    rank: int = positive(16)
    alpha: float = positive(32.0)
    dropout: float = share_below_one(0.05)
    projector: bool = True
    encoder: bool = True
    gradient_checkpointing: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Supervised warm-up, pseudo-labels, mixed training against an averaged teacher.

    The defaults are the recipe `article`. Shares and chances are in 0..1.
    """

    # optimiser: AdamW, linear rise, cosine fall
    learning_rate: float = positive(2e-5)
    rise_share: float = share(0.05)
    """Share of all steps over which the learning rate rises from 0."""
    final_share: float = share(0.1)
    """What is left of the learning rate at the last step."""
    weight_decay: float = at_least_zero(0.01)
    clip_norm: float = positive(1.0)
    batch_size: int = positive(16)
    micro_batch_size: int = positive(16)
    """Most clips in one forward pass; gradients of a larger batch are accumulated."""

    # stages
    warm_up_epochs: int = at_least_zero(4)
    mixed_epochs: int = at_least_zero(10)
    epoch_steps: int = at_least_zero(0)
    """Steps per epoch; 0: as many as one pass over the labelled clips takes."""
    patience: int = at_least_zero(3)
    """Mixed epochs without a better dev error rate before the run stops; 0: never."""
    keep_within: float = at_least_zero(0.0)
    """Standard errors by which later weights may be worse on dev than the best and be kept in their stead; 0: none."""

    # pseudo-labels
    pseudo_score: str = one_of("mean", "sequence", "calibrated")
    """What is held against the threshold: `mean` probability of the tokens, that of the whole `sequence`, or 1 - the
    error rate to expect, `calibrated` on the dev clips before every pass."""
    pseudo_threshold: float = share(0.9)
    """Least score of an accepted pseudo-label."""
    pseudo_threshold_fall: float = share(0.0)
    """By how much that falls over the mixed epochs, linearly."""
    pseudo_weight_power: float = at_least_zero(0.0)
    """A pseudo-label counts by its score to this power; 0: as much as a real label."""
    pseudo_share_start: float = share_below_one(0.3)
    pseudo_share_end: float = share_below_one(0.5)
    """Share of pseudo-labelled clips in a batch, moving linearly over the mixed epochs."""
    relabel_epochs: int = at_least_zero(0)
    """Mixed epochs between two labelling passes; 0: label once, and again only after a pause."""
    views: int = positive(1)
    """Speeds at which the teacher hears a clip, 1, 3 or 5: of several the text with most probability counts."""
    repeat_rare: float = at_least_zero(0.0)
    """Languages and dialects come as often as they were heard in a pass, each label up to so many times where few of a
    kind are trusted; 0: as they were accepted."""
    heard_per_used: float = at_least_zero(0.0)
    """Clips a labelling pass hears, drawn anew each time, for each that is trained on before the next; 0: the pool."""
    guard_ratio: float = at_least_zero(2.0)
    """Pause pseudo-labels where their gradient variance exceeds this many times the real one; 0: never."""

    # replay: what the base model was sure of is kept as it heard it, lest a few new labels make it forget
    replay_share: float = share_below_one(0.0)
    """Share of every batch, from the first step on, drawn from such clips; 0: none are kept."""
    replay_threshold: float = share(0.95)
    """Least score of a clip that is kept so; later passes do not hear it again."""

    # teacher
    teacher_decay: float = share_below_one(0.999)
    teacher_keep_per_epoch: float = share_below_one(0.0)
    """What one epoch leaves of the old teacher; over 0 it sets the decay, whatever `teacher_decay` says."""
    consistency_weight: float = at_least_zero(1.0)
    consistency_rise_share: float = share(0.3)
    """Share of the mixed steps over which the consistency weight rises from 0."""

    augmentation: Augmentation = field(default_factory=Augmentation)
    adaptation: Adaptation = field(default_factory=Adaptation)


def with_overrides(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """`recipe` with the named values replaced; `augmentation` and `adaptation` take tables of their own.

    Raises EarmarkError `training:recipe:unknown-option`, `training:recipe:type` or `training:recipe:range`.
    """
    changed = override(recipe, overrides)
    if changed.augmentation.noise_snr_low > changed.augmentation.noise_snr_high:
        raise range_error(
            "augmentation.noise_snr_low", changed.augmentation.noise_snr_low, "<= noise_snr_high"
        )
    for end in ("pseudo_share_start", "pseudo_share_end"):
        if getattr(changed, end) + changed.replay_share >= 1:
            raise range_error(end, getattr(changed, end), "below 1 together with replay_share")
    if changed.views not in VIEWS:
        raise range_error("views", changed.views, f"one of {', '.join(map(str, VIEWS))}")
    if changed.warm_up_epochs + changed.mixed_epochs == 0:
        raise range_error("mixed_epochs", 0, "at least 1 where warm_up_epochs is 0")
    return changed


def as_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as nested plain values, as `job.toml` holds it and `with_overrides` reads it."""
    return asdict(recipe)
