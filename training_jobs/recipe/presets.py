"""The named recipes."""

from dataclasses import replace

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.recipes import Recipe

EARMARK = Recipe(
    warm_up_epochs=2,
    mixed_epochs=12,
    patience=0,
    keep_within=1.0,
    pseudo_score="calibrated",
    pseudo_threshold=0.85,
    pseudo_threshold_fall=0.1,
    pseudo_weight_power=1.0,
    pseudo_share_start=0.4,
    pseudo_share_end=0.7,
    relabel_epochs=1,
    heard_per_used=1.5,
    guard_ratio=0.0,
    replay_share=0.15,
    teacher_keep_per_epoch=0.5,
)

PRESETS: dict[str, Recipe] = {
    "article": Recipe(),
    "supervised": Recipe(warm_up_epochs=14, mixed_epochs=0),
    "earmark": EARMARK,
    "demo": replace(
        EARMARK,
        learning_rate=8e-4,
        batch_size=24,
        micro_batch_size=24,
        warm_up_epochs=1,
        mixed_epochs=5,
        epoch_steps=60,
    ),
}
DEFAULT_PRESET = "article"


def preset(name: str) -> Recipe:
    """The recipe of that name. Raises EarmarkError `training:recipe:unknown`."""
    if name not in PRESETS:
        raise EarmarkError(
            "training:recipe:unknown",
            f"There is no recipe {name!r}.",
            f"Choose one of: {', '.join(sorted(PRESETS))}.",
        )
    return PRESETS[name]
