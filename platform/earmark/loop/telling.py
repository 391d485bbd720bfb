"""What the policy waits for and what it did, in words."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from earmark.loop.deciding import Act, Reason
from earmark.loop.models import PolicyAct

ACTS: Mapping[Act, Any] = {
    Act.MEASURE: gettext_lazy("measure models on the test set"),
    Act.PROMOTE: gettext_lazy("judge a new model"),
    Act.TRANSCRIBE: gettext_lazy("transcribe the pool again"),
    Act.TRAIN: gettext_lazy("launch a training"),
    Act.CLOSE_ROUND: gettext_lazy("close the round"),
    Act.OPEN_ROUND: gettext_lazy("open a round"),
}
PLAIN: Mapping[tuple[str, str], Any] = {
    ("", "off"): gettext_lazy("off: nothing happens by itself"),
    ("train", "running"): gettext_lazy("a training is running"),
    ("train", "candidate"): gettext_lazy("waiting: a new model is judged first; the next learns from the better one"),
    ("promote", "untested"): gettext_lazy("waiting for a frozen test set: without one nothing can be judged"),
    ("promote", "training"): gettext_lazy("waiting for the training that is running"),
    ("promote", "no-candidate"): gettext_lazy("waiting: there is no new model since the last verdict"),
    ("promote", "measuring"): gettext_lazy("waiting: the models are being measured on the test set"),
    ("promote", "measuring-failed"): gettext_lazy("stuck: measuring failed; see the jobs, then measure it again"),
    ("transcribe", "running"): gettext_lazy("the champion is hearing the pool"),
    ("transcribe", "failed"): gettext_lazy("stuck: the last transcription failed; see it, then start it again"),
    ("transcribe", "heard"): gettext_lazy("waiting: the champion has heard the pool"),
    ("open_rounds", "opening"): gettext_lazy("a round is being opened"),
    ("open_rounds", "opening-failed"): gettext_lazy("stuck: the round could not be opened; see it, then close it"),
    ("open_rounds", "training"): gettext_lazy("waiting for the training: the new champion shall choose the clips"),
    ("open_rounds", "candidate"): gettext_lazy("waiting for the verdict on a new model: the better one shall choose"),
    ("open_rounds", "transcription"): gettext_lazy("waiting until the champion has heard the pool"),
    ("open_rounds", "nothing-to-ask"): gettext_lazy("waiting: no clip is left that could be asked"),
    ("stop", "unsettled"): gettext_lazy("not known yet: the newest labels have not been learned from"),
}  # fmt: skip


def why(reason: Reason) -> str:
    """The reason as a sentence without a full stop: `waiting: 12 of 30 min labelled`."""
    told = PLAIN.get((reason.rule, reason.code))
    if told is not None:
        return str(told)
    return (
        _NUMBERED[reason.rule, reason.code](reason.numbers)
        if reason.code != "held"
        else _held(reason.numbers)
    )


def standing_in_words(found: Act | tuple[Reason, ...]) -> dict[str, str]:
    """What each rule waits for; the act that is next under `next`."""
    if isinstance(found, Act):
        return {"next": str(ACTS[found])}
    return {one.rule or "policy": why(one) for one in found}


def act_in_words(row: PolicyAct) -> str:
    """What was done."""
    return _DONE[Act(row.act)](row.details)


def _minutes(numbers: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in numbers.items()
    }


def _labelled(numbers: Mapping[str, Any]) -> str:
    return _("waiting: %(labelled)s of %(needed)s min labelled") % _minutes(numbers)


def _labelled_after_failure(numbers: Mapping[str, Any]) -> str:
    return _(
        "the last training failed; retry it, or wait: %(labelled)s of %(needed)s min labelled"
    ) % _minutes(numbers)


def _waiting(numbers: Mapping[str, Any]) -> str:
    return ngettext(
        "waiting: a round is open, %(n)s clip has not come back",
        "waiting: a round is open, %(n)s clips have not come back",
        int(numbers["waiting"]),
    ) % {"n": numbers["waiting"]}


def _budget(numbers: Mapping[str, Any]) -> str:
    return _(
        "waiting for the next month: %(spent)s of %(most)s min are spent, a round takes %(round)s min"
    ) % _minutes(numbers)


def _stopped(numbers: Mapping[str, Any]) -> str:
    return _(
        "stopped: an hour of labels won %(gain)s points over the last %(rounds)s rounds, less than %(needed)s"
    ) % _minutes(numbers)


def _gains(numbers: Mapping[str, Any]) -> str:
    return _(
        "not stopped: an hour of labels won %(gain)s points over the last %(rounds)s rounds, %(needed)s are asked for"
    ) % _minutes(numbers)


def _few_rounds(numbers: Mapping[str, Any]) -> str:
    return _("not known yet: %(closed)s of %(rounds)s rounds are closed") % _minutes(numbers)


def _held(numbers: Mapping[str, Any]) -> str:
    return _("failed: %(act)s (%(error)s); it is tried again later, or when the policy is changed") % {
        "act": ACTS[Act(numbers["act"])],
        "error": numbers["error"],
    }


_NUMBERED: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], str]] = {
    ("train", "minutes"): _labelled,
    ("train", "minutes-after-failure"): _labelled_after_failure,
    ("open_rounds", "open"): _waiting,
    ("open_rounds", "budget"): _budget,
    ("open_rounds", "stopped"): _stopped,
    ("stop", "stopped"): _stopped,
    ("stop", "gains"): _gains,
    ("stop", "few-rounds"): _few_rounds,
}


_DONE: Mapping[Act, Callable[[Mapping[str, Any]], str]] = {
    Act.MEASURE: lambda told: (
        _("Had %(models)s measured on the test set.") % {"models": ", ".join(told["models"])}
    ),
    Act.PROMOTE: lambda told: (
        (
            _("Promoted %(model)s.")
            if told["outcome"] == "better"
            else _("Judged %(model)s; it stays challenger.")
        )
        % told
    ),
    Act.TRANSCRIBE: lambda told: _("Had %(model)s hear the pool.") % told,
    Act.TRAIN: lambda told: (
        _(
            "Launched training %(training)s by the recipe %(recipe)s on %(labelled_minutes)s min of new labels."
        )
        % told
    ),
    Act.CLOSE_ROUND: lambda told: _("Closed round %(round)s: every clip came back.") % told,
    Act.OPEN_ROUND: lambda told: _("Opened round %(round)s with %(minutes)s min.") % _minutes(told),
}
