"""A command template: ssh, kubectl, bsub, whatever takes a command to a machine that sees the job folder."""

import shlex
import subprocess
from pathlib import Path

from earmark.speech.errors import EarmarkError
from training_jobs.launchers import attendance
from training_jobs.launchers.launcher import STOPPED, Handle, Launch

OUTPUT = "launcher.log"
PLACES = ("command", "folder", "processes", "number", "devices")


class CommandLauncher:
    """Runs `start` in a shell. It may stay until the training is over (ssh) or only hand it in (bsub).

    In `start`, `{command}` is what must run there; `{folder}`, `{processes}`, `{number}` and `{devices}` tell of it.
    `python`: the interpreter there. `silent_seconds`: a trainer not heard of for so long is lost.
    Raises EarmarkError `training:launcher:template`.
    """

    stays = False

    def __init__(
        self,
        *,
        start: str,
        python: str = "",
        silent_seconds: float = attendance.SILENT_SECONDS,
    ) -> None:
        self._template = start
        self._python = python
        self._silent_seconds = silent_seconds
        if "{command}" not in start:
            raise _bad_template(start, "it has no place {command}")
        try:
            start.format(**dict.fromkeys(PLACES, ""))
        except (KeyError, IndexError, ValueError) as error:
            raise _bad_template(start, f"{error} is not one of its places") from error

    def start(self, launch: Launch) -> Handle:
        """Run the command in a session of its own; it goes on when this worker ends."""
        filled = self._template.format(
            command=attendance.shell_command(launch, python=self._python),
            folder=shlex.quote(str(launch.folder)),
            processes=launch.processes,
            number=launch.number,
            devices=shlex.quote(",".join(launch.devices)),
        )
        ended = shlex.quote(str(_ended(launch)))
        with (launch.folder / OUTPUT).open("ab") as output:
            subprocess.run(
                ["sh", "-c", f"(( {filled}\n); echo $? > {ended}.part; mv {ended}.part {ended}) &"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                check=True,
            )
        return {}

    def poll(self, launch: Launch, handle: Handle) -> int | None:
        """By what the attendant writes. Raises EarmarkError `training:launcher:failed` where it never came so far."""
        if attendance.read(launch.folder, launch.number):
            return attendance.code_of(launch, handle, silent_seconds=self._silent_seconds)
        ended = _ended(launch)
        if ended.exists() and (code := int(ended.read_text().strip() or 1)):
            lines = (launch.folder / OUTPUT).read_text(errors="replace").strip().splitlines()
            raise EarmarkError(
                "training:launcher:failed",
                f"The launcher's command ended with code {code}: {' / '.join(lines[-3:]) or 'it said nothing'}.",
                "Whoever runs the platform mends `start` in EARMARK_LAUNCHER_OPTIONS; then retry the training.",
            )
        # an attendant that begins after it was asked to stop starts nothing
        return STOPPED if attendance.asked_to_stop(launch.folder, launch.number) else None

    def stop(self, launch: Launch, handle: Handle, *, hard: bool) -> None:
        """Leave word in the folder for the attendant."""
        attendance.ask_to_stop(launch, hard=hard)

    def leave(self, handle: Handle) -> None:
        """It goes on without any worker."""


def _ended(launch: Launch) -> Path:
    return launch.folder / f"launcher-{launch.number}.code"


def _bad_template(start: str, reason: str) -> EarmarkError:
    return EarmarkError(
        "training:launcher:template",
        f"The launcher's start {start!r} cannot be used: {reason}.",
        f"Set it in EARMARK_LAUNCHER_OPTIONS; its places: {', '.join(f'{{{name}}}' for name in PLACES)}.",
    )
