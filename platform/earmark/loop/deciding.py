"""What the loop does next by itself, decided from how a collection stands and what was switched on. No database here.

One act at a time, the one that finishes what is begun first: a new model is judged before the next is trained, and
heard before the next round asks people.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

HOUR = 3600.0
POINTS = 100.0


class Act(StrEnum):
    """What the loop may do by itself."""

    MEASURE = "measure"
    PROMOTE = "promote"
    TRANSCRIBE = "transcribe"
    TRAIN = "train"
    CLOSE_ROUND = "close-round"
    OPEN_ROUND = "open-round"


class Stage(StrEnum):
    """How far the newest work of a kind is."""

    NONE = "none"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an admin switched on, and from where on it holds. Minutes are of audio.

    `stop_gain`: points of error rate (hundredths) that an hour of labels must bring, over the last `stop_rounds`.
    """

    train: bool = False
    train_minutes: float = 30.0
    promote: bool = False
    transcribe: bool = False
    open_rounds: bool = False
    round_minutes: float = 30.0
    monthly_minutes: float = 120.0
    stop: bool = False
    stop_gain: float = 0.5
    stop_rounds: int = 3

    @property
    def is_on(self) -> bool:
        """Whether anything happens by itself."""
        return self.train or self.promote or self.transcribe or self.open_rounds


@dataclass(frozen=True, kw_only=True)
class State:
    """How a collection stands.

    `labelled_seconds`: labelled since the newest training was launched. `has_candidate`: a trained model was neither
    promoted nor refused yet. `measuring`: of what the candidate and the champion lack on the test set, where
    `is_measured` is false. `transcription`: of the pool by the champion, since it is champion. `spent_seconds`: what
    the rounds of this month were given. `gain`: error rate won over the last rounds, by `gain_hours` of labels; None
    where it is not known. `held`: acts that failed lately, with the error.
    """

    labelled_seconds: float = 0.0
    training: Stage = Stage.NONE
    has_candidate: bool = False
    has_test_set: bool = True
    is_measured: bool = True
    measuring: Stage = Stage.NONE
    transcription: Stage = Stage.DONE
    round: Stage = Stage.NONE
    round_waiting: int = 0
    has_askable: bool = True
    spent_seconds: float = 0.0
    rounds_closed: int = 0
    gain: float | None = None
    gain_hours: float = 0.0
    held: Mapping[Act, str] = field(default_factory=dict)

    @property
    def gain_per_hour(self) -> float | None:
        """Points of error rate won by an hour of labels."""
        return None if self.gain is None or not self.gain_hours else POINTS * self.gain / self.gain_hours


@dataclass(frozen=True)
class Reason:
    """Why a rule does nothing now: its name, a code, and the numbers a sentence about it needs."""

    rule: str
    code: str
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)


Finding = Act | Reason


def next_act(state: State, rules: Rules) -> Act | tuple[Reason, ...]:
    """The one thing to do now, or why each rule that is switched on does nothing; one `off` where none is."""
    if not rules.is_on:
        return (Reason("", "off"),)
    found = [
        _unless_held(decide(state, rules), rule, state)
        for rule, decide in RULES.items()
        if getattr(rules, rule)
    ]
    acts = [one for one in found if isinstance(one, Act)]
    return acts[0] if acts else tuple(one for one in found if isinstance(one, Reason))


def has_stopped(state: State, rules: Rules) -> bool:
    """Whether labels no longer bring what they must, so that people are asked no more."""
    per_hour = state.gain_per_hour
    return rules.stop and per_hour is not None and is_settled(state, rules) and per_hour < rules.stop_gain


def is_settled(state: State, rules: Rules) -> bool:
    """Whether what was labelled has been learned from and judged, so that its gain can be told."""
    waits = state.labelled_seconds >= rules.train_minutes * 60
    return not waits and state.training != Stage.RUNNING and not state.has_candidate


def _unless_held(found: Finding, rule: str, state: State) -> Finding:
    if isinstance(found, Act) and found in state.held:
        return Reason(rule, "held", {"act": str(found), "error": state.held[found]})
    return found


def _promote(state: State, rules: Rules) -> Finding:
    if not state.has_test_set:
        return Reason("promote", "untested")
    if not state.has_candidate:
        return Reason("promote", "training" if state.training == Stage.RUNNING else "no-candidate")
    if state.is_measured:
        return Act.PROMOTE
    if state.measuring == Stage.RUNNING:
        return Reason("promote", "measuring")
    return Reason("promote", "measuring-failed") if state.measuring == Stage.FAILED else Act.MEASURE


def _transcribe(state: State, rules: Rules) -> Finding:
    if state.transcription == Stage.NONE:
        return Act.TRANSCRIBE
    return Reason(
        "transcribe", {Stage.RUNNING: "running", Stage.FAILED: "failed"}.get(state.transcription, "heard")
    )


def _train(state: State, rules: Rules) -> Finding:
    labelled, needed = state.labelled_seconds / 60, rules.train_minutes
    if state.training == Stage.RUNNING:
        return Reason("train", "running")
    if labelled < needed:
        code = "minutes-after-failure" if state.training == Stage.FAILED else "minutes"
        return Reason("train", code, {"labelled": labelled, "needed": needed})
    if rules.promote and state.has_candidate and state.has_test_set:
        return Reason("train", "candidate")
    return Act.TRAIN


def _open_rounds(state: State, rules: Rules) -> Finding:
    if state.round == Stage.RUNNING:
        return Reason("open_rounds", "opening")
    if state.round == Stage.FAILED:
        return Reason("open_rounds", "opening-failed")
    if state.round == Stage.DONE:
        waits = {"waiting": state.round_waiting}
        return Reason("open_rounds", "open", waits) if state.round_waiting else Act.CLOSE_ROUND
    if has_stopped(state, rules):
        told = {"gain": state.gain_per_hour or 0.0, "needed": rules.stop_gain, "rounds": rules.stop_rounds}
        return Reason("open_rounds", "stopped", told)
    if code := _being_learned(state, rules):
        return Reason("open_rounds", code)
    if state.spent_seconds + rules.round_minutes * 60 > rules.monthly_minutes * 60:
        told = {
            "spent": state.spent_seconds / 60,
            "most": rules.monthly_minutes,
            "round": rules.round_minutes,
        }
        return Reason("open_rounds", "budget", told)
    return Act.OPEN_ROUND if state.has_askable else Reason("open_rounds", "nothing-to-ask")


def _being_learned(state: State, rules: Rules) -> str:
    """What a round waits for, so that the newest champion chooses its clips; empty for nothing."""
    if state.training == Stage.RUNNING:
        return "training"
    if rules.train and state.labelled_seconds >= rules.train_minutes * 60 and Act.TRAIN not in state.held:
        return "training"
    if rules.promote and state.has_candidate and state.has_test_set and state.measuring != Stage.FAILED:
        return "candidate"
    return "transcription" if state.transcription == Stage.RUNNING else ""


def _stop(state: State, rules: Rules) -> Finding:
    numbers = {"rounds": rules.stop_rounds, "closed": state.rounds_closed, "needed": rules.stop_gain}
    if state.rounds_closed < rules.stop_rounds:
        return Reason("stop", "few-rounds", numbers)
    if state.gain_per_hour is None or not is_settled(state, rules):
        return Reason("stop", "unsettled", numbers)
    told = numbers | {"gain": state.gain_per_hour}
    return Reason("stop", "stopped" if has_stopped(state, rules) else "gains", told)


RULES: Mapping[str, Callable[[State, Rules], Finding]] = {
    "promote": _promote,
    "transcribe": _transcribe,
    "train": _train,
    "open_rounds": _open_rounds,
    "stop": _stop,
}
"""Every rule by its switch, the first to act first."""
