"""Predictions for tasks of other people's Label Studio projects: one answer for each task, whatever it holds."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from annotation.incidents import record_incident
from annotation.ml_backend import Target, address_of, read_config, results_for, score_of
from annotation.ml_hearing import PASSING, PATIENCE_SECONDS, Hearing, Sought, addresses_in
from earmark.accounts.models import User
from earmark.corpus.models import Collection
from earmark.recognition.registry import champion
from earmark.speech.errors import EarmarkError

MOST_TASKS = 500


def predict(
    *, collection: Collection, person: User, body: Any, patience: float = PATIENCE_SECONDS
) -> list[Any]:
    """One prediction for each task of Label Studio's request `body`, in its order, within `patience` seconds.

    A task that cannot be answered gets a prediction without result, with the error's id in it; where the fault may pass
    it gets no prediction at all, `[]`, so that Label Studio, which keeps empty predictions for good, asks again. Either
    way an incident is kept. Raises EarmarkError `annotation:ml:body`, `:config`, `:no-audio`, and those of
    `registry.champion`.
    """
    tasks, targets, is_interactive = _read(body)
    model = champion(collection)
    hearing = Hearing(collection=collection, model=model, person=person, deadline=time.monotonic() + patience)
    found = hearing.heard(addresses_in(tasks, targets))
    for one in found.values():
        if one.fault:
            record_incident(one.fault, said={"audio": one.address.partition("?")[0]}, collection=collection)
    return [_prediction(task, targets, found, model.name, is_interactive) for task in tasks]


def _prediction(
    task: Mapping[str, Any],
    targets: Sequence[Target],
    found: Mapping[str, Sought],
    model: str,
    is_interactive: bool,
) -> Any:
    told = [(target, found[address_of(task, target)]) for target in targets]
    fault = next((one.fault for _target, one in told if one.fault), None)
    if fault and fault.error_id in PASSING and not is_interactive:
        return []
    if fault:
        return {
            "result": [], "score": 0.0, "model_version": model, "error_id": fault.error_id, "error": str(fault),
        }  # fmt: skip
    parts = [part for _target, one in told for part in one.parts or ()]
    result = [each for target, one in told for each in results_for(target, one.parts or ())]
    return {"result": result, "score": score_of(parts), "model_version": model}


def _read(body: Any) -> tuple[list[Mapping[str, Any]], tuple[Target, ...], bool]:
    """The tasks, what of their page is to be filled in, and whether an annotator asks while they draw."""
    tasks = body.get("tasks") if isinstance(body, Mapping) else None
    if not isinstance(tasks, list) or not all(isinstance(one, Mapping) for one in tasks):
        raise malformed(_("It has no list of tasks."))
    if len(tasks) > MOST_TASKS:
        raise malformed(_("It has more than %(most)s tasks.") % {"most": MOST_TASKS})
    targets = read_config(body.get("label_config"))
    if not targets:
        raise EarmarkError(
            "annotation:ml:no-audio",
            _("The labelling configuration has no audio with a text box."),
            _("Add a TextArea whose toName is the name of the Audio."),
        )
    params = body.get("params")
    return tasks, targets, isinstance(params, Mapping) and bool(params.get("context"))


def malformed(why: str) -> EarmarkError:
    """The error for a request that is not what Label Studio sends."""
    return EarmarkError(
        "annotation:ml:body",
        _("This is no request of Label Studio's. %(why)s") % {"why": why},
        _("Point Label Studio's own “Connect model” at this address; nothing else is understood here."),
    )
