"""What a training would do, and what stands against it: nothing is written, nothing is queued."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.datasets.previewing import Preview, preview, preview_of
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import champion
from earmark.speech.calibration_fit import FEWEST
from earmark.speech.errors import EarmarkError
from training_jobs import disk_space, launching
from training_jobs.pace import measured_pace
from training_jobs.recipe.presets import preset
from training_jobs.recipe.recipes import Recipe, with_overrides
from training_jobs.recipe.schedules import make_plan
from training_jobs.resources import Resources, refuse_untrainable

FEWEST_DEV_CLIPS = 20
"""With fewer the dev error rate says little about which weights are best."""


@dataclass(frozen=True)
class Problem:
    """What stands against a training (`error`) or may make it worth less (`warning`)."""

    level: str
    error_id: str
    message: str
    hint: str


@dataclass(frozen=True)
class DryRun:
    """What would happen. Seconds of audio, except `takes_seconds`; bytes of memory on each device, and on the disk."""

    base: str
    snapshot: int | None
    recipe: str
    clips: dict[str, dict[str, float]]
    epochs: int
    steps: int
    labelling_passes: int
    batch_size: int
    takes_seconds: float | None
    measured_on: int
    memory: dict[str, int] | None
    disk_needed: int
    disk_free: int
    problems: tuple[Problem, ...]

    @property
    def is_possible(self) -> bool:
        """Whether nothing forbids it."""
        return all(one.level != "error" for one in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "is_possible": self.is_possible}


def dry_run(
    *,
    collection: Collection,
    recipe: str,
    overrides: Mapping[str, Any] | None = None,
    snapshot: Snapshot | None = None,
    base: ModelVersion | None = None,
    resources: Resources | None = None,
) -> DryRun:
    """Look at everything a launch would need. What is wrong is told as problems, all of it at once.

    Raises EarmarkError `training:recipe:*` where the recipe itself cannot be read, and those of `registry.champion`.
    """
    chosen = with_overrides(preset(recipe), dict(overrides or {}))
    asked = resources or Resources()
    model = base or champion(collection)
    content = preview_of(snapshot) if snapshot else preview(collection)
    plan = make_plan(chosen, labelled=max(1, content.labelled.clips), unlabelled=content.unlabelled.clips)
    steps = plan.total_steps if content.labelled.clips else 0
    pace = measured_pace(model)
    memory, unknown = _memory(model, chosen, asked, content)
    root = settings.EARMARK.var / "training"
    weights, optimiser = (memory["weights"], memory["optimiser"]) if memory else (0, 0)
    needed = disk_space.needed_bytes(seconds=content.seconds, weights=weights, optimiser=optimiser)
    free = disk_space.free_bytes(root)
    return DryRun(
        base=model.name,
        snapshot=snapshot.pk if snapshot else None,
        recipe=recipe,
        clips={name: asdict(getattr(content, name)) for name in ("labelled", "unlabelled", "dev")},
        epochs=len(plan.epochs),
        steps=steps,
        labelling_passes=plan.labelling_passes,
        batch_size=chosen.batch_size,
        takes_seconds=pace.seconds(plan, unlabelled=content.unlabelled.clips) if pace and steps else None,
        measured_on=pace.trainings if pace else 0,
        memory=memory,
        disk_needed=needed,
        disk_free=free,
        problems=(
            *(_problem(error) for error in content.faults),
            *_refusals(model, asked),
            *([_problem(disk_space.no_space(root, needed))] if free < needed + _kept_free() else []),
            *_needs(content, chosen),
            *_doubts(content, chosen),
            *([_problem(unknown, "warning")] if unknown else []),
        ),
    )


def _kept_free() -> int:
    kept: int = settings.EARMARK.keep_free_bytes
    return kept


def _refusals(model: ModelVersion, asked: Resources) -> list[Problem]:
    found = []
    for check in (lambda: refuse_untrainable(model), asked.check, launching.launcher):
        try:
            check()
        except EarmarkError as error:
            found.append(_problem(error))
    return found


def _needs(content: Preview, recipe: Recipe) -> list[Problem]:
    """What the recipe cannot do without."""
    calibrates = recipe.pseudo_score == "calibrated" and content.unlabelled.clips
    if not calibrates or content.dev.clips >= FEWEST:
        return []
    said = _("This recipe weighs the teacher’s doubts by {least} labelled dev clips or more; there are {n}.")
    hint = _("Have more clips of dev speakers labelled, or take another recipe.")
    told = said.format(least=FEWEST, n=content.dev.clips)
    return [Problem("error", "training:data:dev-too-few", told, hint)]


def _doubts(content: Preview, recipe: Recipe) -> list[Problem]:
    """What makes a training worth less."""
    found = []
    if content.dev.clips < FEWEST_DEV_CLIPS:
        said = _("{n} labelled clips are on the dev side: under {least} cannot tell which weights are best.")
        hint = _("Give the speakers of some labelled clips the side dev.")
        found.append(("few-dev", said.format(n=content.dev.clips, least=FEWEST_DEV_CLIPS), hint))
    if recipe.mixed_epochs and not content.unlabelled.clips:
        said = _("There is no unlabelled clip to learn from: the mixed epochs hold labelled clips alone.")
        hint = _("Import more recordings, or take the recipe supervised.")
        found.append(("no-unlabelled", said, hint))
    if 0 < content.labelled.clips < recipe.batch_size:
        said = _("{n} labelled clips are fewer than one batch of {size}.")
        hint = _("Have more clips labelled in a round, or set a smaller batch_size.")
        found.append(("few-labelled", said.format(n=content.labelled.clips, size=recipe.batch_size), hint))
    return [Problem("warning", f"training:data:{name}", said, hint) for name, said, hint in found]


def _problem(error: EarmarkError, level: str = "error") -> Problem:
    return Problem(level, error.error_id, error.message, error.hint)


def _memory(
    model: ModelVersion, recipe: Recipe, asked: Resources, content: Preview
) -> tuple[dict[str, int] | None, EarmarkError | None]:
    """Bytes on each device, None with the reason where the model's shape cannot be read."""
    try:
        return dict(_estimate(model.source, recipe, asked.precision, round(content.longest, 1))), None
    except EarmarkError as error:
        return None, error


@lru_cache(maxsize=64)
def _estimate(source: str, recipe: Recipe, precision: str, longest: float) -> tuple[tuple[str, int], ...]:
    # torch is wanted for the model's shape alone: whoever asks for no dry run does not wait for it
    from training_jobs.recipe.memory import estimate

    found = estimate(source, recipe, precision=precision, longest_seconds=longest)
    return (*asdict(found).items(), ("total", found.total))
