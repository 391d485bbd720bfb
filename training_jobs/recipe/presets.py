"""The named recipes."""

from dataclasses import replace

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.recipes import Recipe

EARMARK = Recipe(
    warm_up_epochs=4,
    mixed_epochs=10,
    patience=0,
    keep_within=1.0,
    pseudo_score="calibrated",
    pseudo_threshold=0.8,
    pseudo_weight_power=2.0,
    pseudo_share_start=0.5,
    pseudo_share_end=0.65,
    relabel_epochs=1,
    heard_per_used=1.1,
    views=3,
    repeat_rare=3.0,
    guard_ratio=0.0,
    replay_share=0.12,
    teacher_keep_per_epoch=0.5,
)

PRESETS: dict[str, Recipe] = {
    "article": Recipe(),
    "supervised": Recipe(warm_up_epochs=14, mixed_epochs=0),
    "earmark": EARMARK,
    "demo": replace(
        EARMARK,
        learning_rate=6e-4,
        batch_size=24,
        micro_batch_size=24,
        warm_up_epochs=1,
        mixed_epochs=5,
        epoch_steps=60,
        pseudo_share_start=0.3,
        pseudo_share_end=0.35,
        replay_share=0.4,
        views=1,
    ),
}
DEFAULT_PRESET = "earmark"


def preset(name: str) -> Recipe:
    """The recipe of that name. Raises EarmarkError `training:recipe:unknown`."""
    if name not in PRESETS:
        raise EarmarkError(
            "training:recipe:unknown",
            f"There is no recipe {name!r}.",
            f"Choose one of: {', '.join(sorted(PRESETS))}.",
        )
    return PRESETS[name]
