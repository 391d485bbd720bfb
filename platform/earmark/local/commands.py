"""`earmark up`, `services`, `doctor`, `health`, `prepare`."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from earmark.local import health as checks
from earmark.local.environment import load
from earmark.speech.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.local.stack import Stack

PROJECT = Path(__file__).resolve().parents[3]
F = TypeVar("F", bound=Callable[..., Any])


def port_options(command: F) -> F:
    """`--port` and `--label-studio-port`, as `site_port` and `label_studio_port`."""
    port = click.IntRange(1, 65535)
    options = (
        click.option(
            "--port",
            "site_port",
            envvar="EARMARK_PORT",
            type=port,
            default=8000,
            show_default=True,
            show_envvar=True,
            help="Port of the site.",
        ),
        click.option(
            "--label-studio-port",
            envvar="EARMARK_LABEL_STUDIO_PORT",
            type=port,
            default=8080,
            show_default=True,
            show_envvar=True,
            help="Port of Label Studio.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def var_folder() -> Path:
    """Where the embedded stack keeps its data: EARMARK_VAR, or `var` in the checkout."""
    return Path(os.environ.get("EARMARK_VAR", str(PROJECT / "var"))).resolve()


@click.command()
@port_options
def up(site_port: int, label_studio_port: int) -> None:
    """Start the platform on this machine and keep it up until Ctrl-C.

    PostgreSQL, Redis, Label Studio, the site, the workers and beat, each with its log in var/logs. What dies is
    started again. The data stays in var (or EARMARK_VAR) for the next start.
    """
    with embedded_stack(site_port=site_port, label_studio_port=label_studio_port) as stack:
        stack.serve()


@click.command()
@port_options
def services(site_port: int, label_studio_port: int) -> None:
    """Start PostgreSQL, Redis and Label Studio only, and keep them up until Ctrl-C.

    For working on the platform: the site and the workers can then be started by hand, from other terminals.
    """
    only = ("postgres", "redis", "label-studio")
    with embedded_stack(site_port=site_port, label_studio_port=label_studio_port, services=only) as stack:
        stack.serve()


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what is running, what is not, and what to do.

    Looks at the embedded stack, or at the services that DATABASE_URL and CELERY_BROKER_URL name. Exit code 0
    when everything is in order, 1 when not.
    """
    from earmark.local.doctor import examine

    findings = examine(var_folder(), os.environ)
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in findings]))
    else:
        for each in findings:
            mark = click.style("ok", fg="green") if each.is_fine else click.style("no", fg="red")
            click.echo(f"{mark}  {each.name:<13} {each.seen}" + (f": {each.do}" if each.do else ""))
    sys.exit(0 if all(each.is_fine for each in findings) else 1)


@click.command()
@click.argument("process", type=click.Choice(checks.PROCESSES))
def health(process: str) -> None:
    """Exit with 0 when PROCESS, on this machine, does its work: the probe for containers."""
    settings = {"EARMARK_VAR": str(var_folder()), **load(var_folder()), **os.environ}
    missing = [name for name in checks.NEEDS[process] if not settings.get(name)]
    if missing:
        raise EarmarkError(
            "local:health:settings",
            f"{process} cannot be asked: {', '.join(missing)} is not set.",
            "Set it as for the process itself.",
        )
    if not checks.process_answers(process, settings):
        raise EarmarkError("local:health:silent", f"{process} does not do its work.", "Read its log.")
    click.echo(f"{process} does its work")


@click.command()
def prepare() -> None:
    """Bring database and static files up to date; create the first administrator.

    The administrator is named by EARMARK_ADMIN_USERNAME and EARMARK_ADMIN_PASSWORD. To be run once before the
    site and the workers of a new version start. The last line printed is a JSON object.
    """
    from earmark.config.prepare import prepare as run

    click.echo(json.dumps({"admin_created": run()}))


@contextmanager
def embedded_stack(
    *, site_port: int, label_studio_port: int, services: Sequence[str] | None = None
) -> Iterator["Stack"]:
    """The embedded stack over `var_folder()` for a command in the foreground: all of it, or only `services`.

    Says what it does, and takes Ctrl-C, SIGTERM and SIGHUP: the first ends the block with KeyboardInterrupt and
    stops the stack in good order, the second does not wait. Raises EarmarkError `local:settings:conflict`, or
    as `Stack.start` does.
    """
    from earmark.local.stack import ALL, Stack

    _require_no_other_services()
    stack = Stack(
        var=var_folder(),
        services=services or ALL,
        site_port=site_port,
        label_studio_port=label_studio_port,
        say=_say,
    )
    _interrupt_on_signals(stack)
    click.echo(f"Earmark starts over {stack.var}; Ctrl-C stops it.")
    with stack:
        _greet(stack)
        yield stack
    click.echo("Stopped; the data is kept.")


def _require_no_other_services() -> None:
    for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
        if os.environ.get(name):
            raise EarmarkError(
                "local:settings:conflict",
                f"{name} is set, but this command runs its own PostgreSQL and Redis.",
                f"Unset {name}; or, to use that service, run the commands of the Procfile instead.",
            )


def _interrupt_on_signals(stack: "Stack") -> None:
    """The first Ctrl-C, SIGTERM or SIGHUP stops the stack in good order, the second at once."""
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted or stack.stopping:
            stack.hurry = True
            return
        interrupted = True
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _say(service: str, what: str) -> None:
    click.echo(f"  {service:<13} {what}")


def _greet(stack: "Stack") -> None:
    if "web" in stack.running:
        click.echo(f"The site:      {stack.environment['EARMARK_SITE_URL']}")
    click.echo(f"Label Studio:  {stack.environment['LABEL_STUDIO_URL']}")
    if stack.admin_created:
        known = stack.credentials
        click.echo(f"Sign in as {known.admin_username} with the password {known.admin_password}")
        click.echo(f"It is shown this once, and kept in {stack.var / 'secrets.json'}")
