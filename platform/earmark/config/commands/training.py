"""`earmark train`, `trainings`, `cancel-training`, `retry-training`, `training-log`."""

import json
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from earmark.config.commands.learning import training_snapshot
from earmark.config.commands.models import find_model
from earmark.config.commands.session import (
    collection_option,
    console,
    find_collection,
    follow,
    platform_command,
    say,
)
from earmark.speech.errors import EarmarkError
from training_jobs.recipe.presets import DEFAULT_PRESET

if TYPE_CHECKING:
    from training_jobs.dry_run import DryRun
    from training_jobs.models import TrainingJob


@click.command()
@click.option("--recipe", default=DEFAULT_PRESET, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True)
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change one setting of the recipe: mixed_epochs=4.",
)
@click.option(
    "--snapshot", "digest", help="First characters of a training snapshot's digest; freezes one otherwise."
)
@click.option("--base", help="Name of the model to begin from; the champion otherwise.")
@click.option(
    "--priority",
    type=click.IntRange(-1000, 1000),
    default=0,
    show_default=True,
    help="The highest begins first.",
)
@click.option("--processes", type=int, default=1, show_default=True, help="On one host, each with a device.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bfloat16.")
@click.option(
    "--dry-run", "only_look", is_flag=True, help="Say what would happen and what is wrong; launch nothing."
)
@click.option("--wait/--no-wait", default=True, help="Stay until it has ended, or only queue it.")
@collection_option
@platform_command
def train(
    pairs: tuple[str, ...], digest: str | None, base: str | None, only_look: bool, wait: bool, slug: str | None,
    as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Train a model on what is labelled and the rest of the pool, then evaluate it.

    With --dry-run the exit code is 1 where something forbids the training. Ctrl-C ends the watching, not the training.
    """
    from training_jobs.dry_run import dry_run
    from training_jobs.resources import Resources
    from training_jobs.services import launch

    wanted = {
        "collection": find_collection(slug),
        "recipe": asked["recipe"],
        "overrides": overrides(pairs),
        "snapshot": training_snapshot(slug, digest) if digest else None,
        "base": find_model(base) if base else None,
        "resources": Resources(asked["processes"], asked["precision"]),
    }
    if only_look:
        _show(dry_run(**wanted), as_json=as_json)
        return
    training = launch(**wanted, seed=asked["seed"], priority=asked["priority"], by=None)
    if wait:
        _follow(training, f"train ({training.recipe})", as_json=as_json)
    _tell(training, as_json=as_json)


@click.command()
@collection_option
@platform_command
def trainings(slug: str | None, as_json: bool) -> None:
    """List the newest trainings: how they stand, what they made."""
    rows = find_collection(slug).training_jobs.select_related("job", "base", "model")[:50]
    if as_json:
        say({"trainings": [_facts(one) for one in rows]}, as_json=True)
        return
    table = Table("id", "status", "recipe", "priority", "base", "model")
    for one in rows:
        facts = _facts(one)
        table.add_row(*(str(facts[name] or "") for name in ("training_job", "status", "recipe")), str(one.priority),
                      one.base.name, facts["model"] or "")  # fmt: skip
    console.print(table)


@click.command("cancel-training")
@click.argument("training", type=int)
@click.option("--now", "hard", is_flag=True, help="Do not wait for a checkpoint.")
@platform_command
def cancel_training(training: int, hard: bool, as_json: bool) -> None:
    """Ask training number TRAINING to end: after it has saved where it is, or at once."""
    from training_jobs.stopping import stop_training

    row = find_training(training)
    stop_training(row, hard=hard, by=None)
    _tell(row, as_json=as_json)


@click.command("retry-training")
@click.argument("training", type=int)
@click.option("--reason", required=True, help="What has been mended, or why it may go well now.")
@click.option("--wait/--no-wait", default=True, help="Stay until it has ended, or only queue it.")
@platform_command
def retry_training(training: int, reason: str, wait: bool, as_json: bool) -> None:
    """Take training number TRAINING up again where it failed or was cancelled."""
    from training_jobs.stopping import retry

    again = retry(find_training(training), reason=reason, by=None)
    if wait:
        _follow(again, f"train ({again.recipe})", as_json=as_json)
    _tell(again, as_json=as_json)


@click.command("training-log")
@click.argument("training", type=int)
@platform_command
def training_log(training: int, as_json: bool) -> None:
    """Print the end of what trainer and platform wrote of training number TRAINING."""
    from training_jobs.launchers.trainer_process import tail
    from training_jobs.preparing import folder_of

    lines = tail(folder_of(find_training(training)))
    click.echo(json.dumps({"lines": lines}, ensure_ascii=False) if as_json else "\n".join(lines))


def find_training(pk: int) -> "TrainingJob":
    """The training of that number. Raises EarmarkError `training:job:missing`."""
    from training_jobs.models import TrainingJob

    found = TrainingJob.objects.select_related("job", "model", "snapshot", "base").filter(pk=pk).first()
    if found is None:
        raise EarmarkError(
            "training:job:missing",
            f"There is no training {pk}.",
            "See `earmark trainings` for those there are.",
        )
    return found


def overrides(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE` pairs as settings; `augmentation.speed=0` sets one of a table. Raises click.BadParameter."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--set")
        try:
            read = json.loads(value)
        except json.JSONDecodeError:
            read = value
        table, dot, option = name.partition(".")
        if dot:
            values.setdefault(table, {})[option] = read
        else:
            values[name] = read
    return values


def _follow(training: "TrainingJob", title: str, *, as_json: bool) -> None:
    from earmark.jobs.models import Job

    if training.job is None:
        raise EarmarkError("training:job:missing", f"Training {training.pk} has no job.", "Launch it again.")
    finished = follow(training.job, title, as_json=as_json)
    for pk in finished.result["evaluation_jobs"]:
        follow(Job.objects.get(pk=pk), "evaluate", as_json=as_json)


def _tell(training: "TrainingJob", *, as_json: bool) -> None:
    say(_facts(find_training(training.pk)), as_json=as_json)


def _facts(training: "TrainingJob") -> dict[str, Any]:
    return {
        "training_job": training.pk,
        "status": training.job.status if training.job else None,
        "phase": training.phase,
        "recipe": training.recipe,
        "model": training.model.name if training.model else None,
        "snapshot": training.snapshot.digest,
    }


def _show(found: "DryRun", *, as_json: bool) -> None:
    if as_json:
        say(found.as_dict(), as_json=True)
    else:
        told: dict[str, Any] = {
            name: f"{side['clips']:,} clips, {side['seconds'] / 3600:.2f} h"
            for name, side in found.clips.items()
        }
        told["steps"] = f"{found.steps:,} of {found.batch_size} clips in {found.epochs} epochs"
        told["takes"] = (
            "unknown" if found.takes_seconds is None else f"about {found.takes_seconds / 60:.0f} min"
        )
        told["memory"] = f"{found.memory['total'] / 1e9:.1f} GB on each device" if found.memory else "unknown"
        told["disk"] = f"{found.disk_needed / 1e9:.1f} GB of {found.disk_free / 1e9:.1f} GB free"
        say(told, as_json=False)
        for one in found.problems:
            click.echo(f"{one.level}: {one.error_id}: {one.message} {one.hint}")
    if not found.is_possible:
        raise click.exceptions.Exit(1)
