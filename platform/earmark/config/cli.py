"""The `earmark` command: one subcommand per thing a person does; each is also a page and a REST call."""

import importlib
import os
import sys
from typing import Any

import click

from earmark.speech.errors import EarmarkError

COMMANDS = {
    "up": "earmark.local.commands:up",
    "services": "earmark.local.commands:services",
    "doctor": "earmark.local.commands:doctor",
    "health": "earmark.local.commands:health",
    "prepare": "earmark.local.commands:prepare",
    "demo": "earmark.demo.command:demo",
    "ingest": "earmark.config.commands.corpus:ingest",
    "recut": "earmark.config.commands.cutting:recut",
    "gate": "earmark.config.commands.cutting:gate",
    "retry-import": "earmark.config.commands.cutting:retry_import",
    "undo-import": "earmark.config.commands.cutting:undo_import",
    "status": "earmark.config.commands.corpus:status",
    "member": "earmark.config.commands.corpus:member",
    "transcribe": "earmark.config.commands.learning:transcribe",
    "round": "earmark.config.commands.rounds:open_round",
    "sync": "earmark.config.commands.rounds:sync",
    "repair-round": "earmark.config.commands.rounds:repair_round",
    "annotators": "earmark.config.commands.routing:annotators",
    "routing": "earmark.config.commands.routing:routing",
    "close": "earmark.config.commands.rounds:close",
    "snapshot": "earmark.config.commands.learning:snapshot",
    "train": "earmark.config.commands.training:train",
    "trainings": "earmark.config.commands.training:trainings",
    "cancel-training": "earmark.config.commands.training:cancel_training",
    "retry-training": "earmark.config.commands.training:retry_training",
    "training-log": "earmark.config.commands.training:training_log",
    "evaluate": "earmark.config.commands.learning:evaluate",
    "calibrate": "earmark.config.commands.calibrating:calibrate",
    "compare": "earmark.config.commands.comparing:compare",
    "model": "earmark.config.commands.models:model",
    "promote": "earmark.config.commands.promoting:promote",
    "roll-back": "earmark.config.commands.promoting:roll_back",
    "champions": "earmark.config.commands.promoting:champions",
    "policy": "earmark.config.commands.policies:policy",
    "serve-gradio": "earmark.config.commands.listening:serve_gradio",
    "export": "earmark.config.commands.learning:export",
}


class Commands(click.Group):
    """Imports a command's module when the command is asked for, so that `earmark --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EarmarkError as error:
            click.echo(f"{error.error_id}: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Commands)
def earmark() -> None:
    """Annotation and active learning for speech.

    A folder of speech comes in, a recogniser hears it, the clips worth a person's time go to people, and what
    they write makes the recogniser better.

    Exit codes: 0 done, 1 failed (the error's id comes first on the line), 2 wrong use.
    """


def main() -> None:
    """Entry point of the console script."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earmark.config.settings")
    sys.exit(earmark())
