"""`python -m training_jobs.launchers.attend JOBDIR --number N`: run the trainer and keep `attended.json` beside it.

For machines where no worker of the platform runs. It needs the folder, this package, torch and transformers.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import click

from training_jobs.launchers import attendance, trainer_process
from training_jobs.launchers.launcher import CANNOT, DONE, STOPPED

LOOK_SECONDS = 0.5


@click.command()
@click.argument("jobdir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--number", type=click.IntRange(min=1), required=True, help="Which start of the job this is.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Under torchrun.")
@click.option("--beat-seconds", type=float, default=attendance.BEAT_SECONDS, show_default=True)
def main(jobdir: Path, number: int, processes: int, beat_seconds: float) -> None:
    """Run the trainer in JOBDIR and say every few seconds that it lives, then its exit code.

    SIGTERM or SIGINT, or a stop.json in JOBDIR, are passed on: the trainer saves a checkpoint and ends with 75.
    Ends with the trainer's exit code.
    """
    if attendance.asked_to_stop(jobdir, number):
        sys.exit(STOPPED)
    trainer_process.wait_until_free(jobdir)
    process = trainer_process.spawn(jobdir, trainer_process.command(jobdir, processes))

    leaving = threading.Event()

    def pass_on(_signal: int, _frame: FrameType | None) -> None:
        leaving.set()
        process.terminate()

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    code = _attend(process, jobdir, number, beat_seconds, leaving)
    sys.exit(code if code >= 0 else 128 - code)


def _attend(
    process: "subprocess.Popen[bytes]",
    folder: Path,
    number: int,
    beat_seconds: float,
    leaving: threading.Event,
) -> int:
    """Watch the trainer to its end; its exit code. torchrun hides that of a trainer that was asked to leave."""
    host, pid, beat, told, written = socket.gethostname(), os.getpid(), 0, "", -float("inf")
    while (code := process.poll()) is None:
        if time.monotonic() - written >= beat_seconds:
            beat, written = beat + 1, time.monotonic()
            attendance.write(folder, attendance.Attended(number, beat, host, pid))
        asked = attendance.asked_to_stop(folder, number)
        if asked != told:
            told = asked
            if asked == "hard":
                os.killpg(process.pid, signal.SIGKILL)
            elif asked:
                leaving.set()
                process.terminate()
        time.sleep(min(LOOK_SECONDS, beat_seconds))
    if leaving.is_set() and told != "hard" and code not in (DONE, CANNOT):
        code = STOPPED
    attendance.write(folder, attendance.Attended(number, beat + 1, host, pid, code))
    return code


if __name__ == "__main__":
    main()
