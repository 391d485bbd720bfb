"""Everything the policy waits for and does has its words."""

from hypothesis import given

from earmark.loop.deciding import Act, Rules, State, next_act
from earmark.loop.models import PolicyAct
from earmark.loop.telling import ACTS, act_in_words, standing_in_words, why
from tests.loop.test_deciding import rules_given, states


@given(states, rules_given)
def test_every_reason_is_told(state: State, rules: Rules) -> None:
    found = next_act(state, rules)
    told = standing_in_words(found)
    assert all(told.values())
    assert "%(" not in " ".join(told.values())


def test_numbers_are_told() -> None:
    (reason,) = next_act(State(labelled_seconds=12.4 * 60), Rules(train=True))  # type: ignore[misc]
    assert why(reason) == "waiting: 12.4 of 30 min labelled"
    (reason,) = next_act(
        State(spent_seconds=5400, round_waiting=1), Rules(open_rounds=True, monthly_minutes=100)
    )  # type: ignore[misc]
    assert why(reason) == "waiting for the next month: 90 of 100 min are spent, a round takes 30 min"


def test_every_act_is_told() -> None:
    details = {
        Act.MEASURE: {"models": ["a", "b"]},
        Act.PROMOTE: {"model": "a", "outcome": "kept"},
        Act.TRANSCRIBE: {"model": "a"},
        Act.TRAIN: {"training": 3, "recipe": "article", "labelled_minutes": 30.2},
        Act.CLOSE_ROUND: {"round": 2},
        Act.OPEN_ROUND: {"round": 3, "minutes": 12.5},
    }
    told = [act_in_words(PolicyAct(act=act, details=details[act])) for act in Act]
    assert len(set(told)) == len(ACTS)
    assert told[0] == "Had a, b measured on the test set."
    assert told[-1] == "Opened round 3 with 12.5 min."
