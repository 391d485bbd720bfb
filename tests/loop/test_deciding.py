"""What the loop does by itself: only what is switched on, one act at a time, never twice for the same labels."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.loop.deciding import RULES, Act, Reason, Rules, Stage, State, has_stopped, next_act

stages = st.sampled_from(Stage)
states = st.builds(
    State,
    labelled_seconds=st.floats(0, 10_000),
    training=stages,
    has_candidate=st.booleans(),
    has_test_set=st.booleans(),
    is_measured=st.booleans(),
    measuring=stages,
    transcription=stages,
    round=stages,
    round_waiting=st.integers(0, 50),
    has_askable=st.booleans(),
    spent_seconds=st.floats(0, 20_000),
    rounds_closed=st.integers(0, 9),
    gain=st.none() | st.floats(-0.2, 0.4),
    gain_hours=st.floats(0, 9),
    held=st.dictionaries(st.sampled_from(Act), st.just("datasets:snapshot:leak"), max_size=3),
)
rules_given = st.builds(
    Rules,
    **{name: st.booleans() for name in RULES},
    train_minutes=st.floats(1, 120),
    round_minutes=st.floats(1, 60),
    monthly_minutes=st.floats(1, 300),
    stop_gain=st.floats(0, 5),
    stop_rounds=st.integers(1, 5),
)
SWITCH = {
    Act.MEASURE: "promote",
    Act.PROMOTE: "promote",
    Act.TRANSCRIBE: "transcribe",
    Act.TRAIN: "train",
    Act.CLOSE_ROUND: "open_rounds",
    Act.OPEN_ROUND: "open_rounds",
}
EVERYTHING = Rules(train=True, promote=True, transcribe=True, open_rounds=True, stop=True)
RESTING = State(labelled_seconds=12 * 60, transcription=Stage.DONE, round=Stage.DONE, round_waiting=4)


@given(states, rules_given)
def test_nothing_happens_that_is_not_switched_on_or_was_held(state: State, rules: Rules) -> None:
    found = next_act(state, rules)
    if isinstance(found, Act):
        assert getattr(rules, SWITCH[found])
        assert found not in state.held


@given(states, rules_given)
def test_every_rule_that_is_on_says_why_it_does_nothing(state: State, rules: Rules) -> None:
    found = next_act(state, rules)
    if not isinstance(found, Act):
        on = [name for name in RULES if getattr(rules, name)]
        assert [one.rule for one in found] == (on if rules.is_on else [""])
        assert all(one.code for one in found)


@given(states, rules_given)
def test_a_training_begins_only_on_enough_new_labels_and_never_beside_another(
    state: State, rules: Rules
) -> None:
    if next_act(state, rules) is Act.TRAIN:
        assert state.labelled_seconds >= rules.train_minutes * 60
        assert state.training != Stage.RUNNING
        begun = replace(state, labelled_seconds=0.0, training=Stage.RUNNING)
        assert next_act(begun, rules) is not Act.TRAIN
        assert next_act(replace(begun, training=Stage.FAILED), rules) is not Act.TRAIN, "nor when it failed"


@given(states, rules_given)
def test_people_are_asked_within_the_budget_and_while_it_is_worth_it(state: State, rules: Rules) -> None:
    if next_act(state, rules) is Act.OPEN_ROUND:
        assert state.spent_seconds + rules.round_minutes * 60 <= rules.monthly_minutes * 60
        assert state.round not in (Stage.RUNNING, Stage.DONE), "one round at a time"
        assert not has_stopped(state, rules)
        assert state.has_askable


def only(rule: str, state: State) -> Act | Reason:
    """What one rule alone finds."""
    found = next_act(state, replace(Rules(), **{rule: True}))
    return found if isinstance(found, Act) else found[0]


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        ("train", {}, "minutes"),
        ("train", {"training": Stage.FAILED}, "minutes-after-failure"),
        ("train", {"labelled_seconds": 1800}, Act.TRAIN),
        ("train", {"labelled_seconds": 1800, "training": Stage.RUNNING}, "running"),
        ("promote", {}, "no-candidate"),
        ("promote", {"has_test_set": False}, "untested"),
        ("promote", {"has_candidate": True}, Act.PROMOTE),
        ("promote", {"has_candidate": True, "is_measured": False}, Act.MEASURE),
        ("promote", {"has_candidate": True, "is_measured": False, "measuring": Stage.RUNNING}, "measuring"),
        ("promote", {"has_candidate": True, "is_measured": False, "measuring": Stage.FAILED}, "measuring-failed"),
        ("transcribe", {}, "heard"),
        ("transcribe", {"transcription": Stage.NONE}, Act.TRANSCRIBE),
        ("transcribe", {"transcription": Stage.FAILED}, "failed"),
        ("open_rounds", {}, "open"),
        ("open_rounds", {"round_waiting": 0}, Act.CLOSE_ROUND),
        ("open_rounds", {"round": Stage.RUNNING}, "opening"),
        ("open_rounds", {"round": Stage.FAILED}, "opening-failed"),
        ("open_rounds", {"round": Stage.NONE}, Act.OPEN_ROUND),
        ("open_rounds", {"round": Stage.NONE, "training": Stage.RUNNING}, "training"),
        ("open_rounds", {"round": Stage.NONE, "transcription": Stage.RUNNING}, "transcription"),
        ("open_rounds", {"round": Stage.NONE, "has_askable": False}, "nothing-to-ask"),
        ("open_rounds", {"round": Stage.NONE, "spent_seconds": 91 * 60}, "budget"),
    ],
)  # fmt: skip
def test_each_rule_says_what_it_waits_for(rule: str, changes: dict, expected: str) -> None:
    found = only(rule, replace(RESTING, **changes))
    assert (found if isinstance(found, Act) else found.code) == expected


def test_what_is_waited_for_is_told_in_numbers() -> None:
    assert only("train", RESTING) == Reason("train", "minutes", {"labelled": 12.0, "needed": 30.0})


def test_what_failed_is_held_while_the_others_go_on() -> None:
    state = replace(
        RESTING, labelled_seconds=1800, round_waiting=0, held={Act.TRAIN: "datasets:snapshot:leak"}
    )
    assert next_act(state, EVERYTHING) is Act.CLOSE_ROUND


def test_people_are_asked_no_more_when_their_labels_bring_too_little() -> None:
    state = State(rounds_closed=3, gain=0.004, gain_hours=2.0)
    found = next_act(state, EVERYTHING)
    assert isinstance(found, tuple)
    assert {one.rule: one.code for one in found}["open_rounds"] == "stopped"
    assert next_act(replace(state, gain=0.04), EVERYTHING) is Act.OPEN_ROUND
    unlearned = replace(state, training=Stage.RUNNING)
    assert not has_stopped(unlearned, EVERYTHING), "what is being learned may still bring more"


def test_a_new_model_is_judged_heard_and_then_asked_about() -> None:
    """One whole turn: act after act, in the order that wastes nobody's time."""
    state = State(labelled_seconds=40 * 60, round=Stage.DONE, round_waiting=0)
    taken = []
    after = {
        Act.TRAIN: {"labelled_seconds": 0.0, "has_candidate": True, "is_measured": False},
        Act.CLOSE_ROUND: {"round": Stage.NONE},
        Act.MEASURE: {"is_measured": True},
        Act.PROMOTE: {"has_candidate": False, "transcription": Stage.NONE},
        Act.TRANSCRIBE: {"transcription": Stage.DONE},
        Act.OPEN_ROUND: {"round": Stage.DONE, "round_waiting": 9, "spent_seconds": 1800.0},
    }
    while isinstance(act := next_act(state, EVERYTHING), Act):
        taken.append(act)
        state = replace(state, **after[act])  # type: ignore[arg-type]
    assert taken == [Act.TRAIN, Act.MEASURE, Act.PROMOTE, Act.TRANSCRIBE, Act.CLOSE_ROUND, Act.OPEN_ROUND]


def test_every_rule_has_a_switch() -> None:
    assert set(RULES) <= {one.name for one in fields(Rules)}
