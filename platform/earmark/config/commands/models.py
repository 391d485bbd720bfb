"""`earmark model`: what can hear."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.config.commands.session import follow, platform_command, say
from earmark.speech.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.recognition.models import ModelVersion


@click.group()
def model() -> None:
    """Register models, and see which there are."""


@model.command()
@click.argument("name")
@click.argument("source")
@click.option(
    "--engine", default="", help="Its name in the settings; found out from the model when not given."
)
@platform_command
def register(name: str, source: str, engine: str, as_json: bool) -> None:
    """Register the model at SOURCE under NAME.

    SOURCE is a folder that the workers see, a hub id such as openai/whisper-large-v3, or the address of a
    transcription server, http://host:port/v1#model.
    """
    from earmark.recognition.registering import submit_registration

    folder = Path(source).expanduser()
    job = submit_registration(
        name=name, source=str(folder.resolve()) if folder.exists() else source, engine=engine
    )
    say(follow(job, f"register {name}", as_json=as_json).result, as_json=as_json)


@model.command("list")
@platform_command
def listed(as_json: bool) -> None:
    """The models there are, the newest first."""
    from earmark.recognition.models import ModelVersion

    rows = list(ModelVersion.objects.values("name", "engine", "source"))
    if as_json:
        say({"models": rows}, as_json=True)
        return
    for row in rows:
        click.echo(f"{row['name']}  {row['engine']}  {row['source']}")


def find_model(name: str) -> "ModelVersion":
    """The model version of that name. Raises EarmarkError `recognition:model:unknown`."""
    from earmark.recognition.models import ModelVersion

    found = ModelVersion.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(ModelVersion.objects.values_list("name", flat=True)[:10])
        raise EarmarkError(
            "recognition:model:unknown", f"There is no model version {name!r}.", f"The newest are: {known}."
        )
    return found
