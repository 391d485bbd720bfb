"""`earmark calibrate`."""

from typing import Any

import click

from earmark.config.commands.session import collection_option, find_collection, follow, platform_command, say


@click.command()
@click.option("--model", "name", metavar="NAME", help="The model to calibrate; the champion otherwise.")
@click.option("--show", is_flag=True, help="Tell the calibration there is instead of making one.")
@collection_option
@platform_command
def calibrate(name: str | None, show: bool, slug: str | None, as_json: bool) -> None:
    """Learn what a model's confidence means, from the clips that rounds drew at random and people labelled.

    Closing a round does this by itself for the champion. Every clip then shows the probability that its text is
    right, and the error rate to expect of it. The figures told are of clips the calibration was not fitted on: AUROC
    (does a right clip score above a wrong one), ECE (how far probabilities are off), NCE (share of the uncertainty
    that is gone) and AURC (errors among the surest), beside those of the plain probability of the model's tokens.
    """
    from annotation.auditing import request_calibration
    from earmark.config.commands.models import find_model
    from earmark.recognition.calibrations import required
    from earmark.recognition.models import Calibration
    from earmark.recognition.registry import champion

    collection = find_collection(slug)
    model = find_model(name) if name else champion(collection)
    if not show:
        job = follow(
            request_calibration(collection=collection, model=model, by=None), "calibrate", as_json=as_json
        )
        say(_told(Calibration.objects.get(pk=job.result["calibration"])), as_json=as_json)
    else:
        say(_told(required(collection, model)), as_json=as_json)


def _told(row: Any) -> dict[str, Any]:
    report = row.report
    return {
        "calibration": row.pk,
        "model": row.model.name,
        "clips": row.clips,
        "wrong": report["wrong"],
        "few_clips": report["few"],
        **report["calibrated"],
        **{f"max_probability_{name}": value for name, value in report.get("max_probability", {}).items()},
    }
