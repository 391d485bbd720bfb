"""`python -m training_jobs.recipe JOBDIR`: exit code 0 done, 2 impossible, 75 stopped with a checkpoint."""

import json
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click
from transformers.utils.logging import disable_progress_bar

from earmark.speech.errors import EarmarkError
from training_jobs.recipe.pseudo_labels import Interrupted
from training_jobs.recipe.training import train

EXIT_CANNOT = 2
EXIT_STOPPED = 75


@click.command()
@click.argument("jobdir", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(jobdir: Path) -> None:
    """Train the model that JOBDIR describes, or take up again what was stopped there.

    Reads job.toml, labelled.jsonl, unlabelled.jsonl, dev.jsonl and audio/; writes metrics.jsonl, checkpoint/
    and, at the end, model/. SIGTERM or SIGINT: a checkpoint is saved and the exit code is 75; the same
    command goes on from there. An error is one line of JSON on standard error (error_id, message, hint) and
    exit code 2.
    """
    logging.basicConfig(level=logging.WARNING)
    disable_progress_bar()
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    try:
        train(jobdir, stopping=stop.is_set)
    except Interrupted:
        sys.exit(EXIT_STOPPED)
    except EarmarkError as error:
        line = {"error_id": error.error_id, "message": error.message, "hint": error.hint}
        click.echo(json.dumps(line, ensure_ascii=False), err=True)
        sys.exit(EXIT_CANNOT)


if __name__ == "__main__":
    main()
