"""The named recipes."""

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.recipes import Recipe

PRESETS: dict[str, Recipe] = {
    "article": Recipe(),
    "supervised": Recipe(warm_up_epochs=14, mixed_epochs=0),
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
