"""What submissions say and amount to."""

from dataclasses import dataclass, field

import pytest

from annotation.answers import Verdict, read_answer, verdict
from annotation.models import RoundClip

Outcome = RoundClip.Outcome


@dataclass
class Said:
    text: str = ""
    was_skipped: bool = False
    quality: list[str] = field(default_factory=list)
    annotator: str = "anna@example.org"


def annotation(**changed: object) -> dict[str, object]:
    return {
        "id": 7,
        "completed_by": 3,
        "was_cancelled": False,
        "lead_time": 4.25,
        "parent_prediction": 11,
        "created_at": "2026-11-22T08:00:00.000001Z",
        "updated_at": "2026-11-22T08:00:01Z",
        "result": [
            {"from_name": "transcription", "type": "textarea", "value": {"text": [" turn it on "]}},
            {"from_name": "quality", "type": "choices", "value": {"choices": ["noisy", "clear"]}},
            {"from_name": "something_else", "type": "textarea", "value": {"text": ["not ours"]}},
        ],
    } | changed


def test_an_annotation_is_read_whole() -> None:
    answer = read_answer(annotation())
    assert (answer.annotation_id, answer.user, answer.text) == (7, 3, "turn it on")
    assert answer.quality == ("noisy", "clear")
    assert answer.lead_seconds == 4.25
    assert answer.prediction == 11
    assert not answer.was_skipped
    assert answer.updated_at.isoformat() == "2026-11-22T08:00:01+00:00"


def test_a_skip_has_no_result_and_maybe_no_time() -> None:
    answer = read_answer(annotation(was_cancelled=True, result=None, lead_time=None, parent_prediction=None))
    assert answer.was_skipped
    assert (answer.text, answer.quality, answer.lead_seconds) == ("", (), None)
    assert answer.prediction is None


def test_a_text_may_come_as_a_bare_string() -> None:
    result = [{"from_name": "transcription", "type": "textarea", "value": {"text": "hello"}}]
    assert read_answer(annotation(result=result)).text == "hello"


@pytest.mark.parametrize(
    ("submissions", "expected"),
    [
        ([], None),
        ([Said("hello")], Verdict(Outcome.LABELLED, "hello", "anna@example.org")),
        ([Said(was_skipped=True)], Verdict(Outcome.SKIPPED)),
        ([Said("typed, then skipped", was_skipped=True)], Verdict(Outcome.SKIPPED)),
        ([Said("left in the box", quality=["unintelligible"])], Verdict(Outcome.UNINTELLIGIBLE)),
        ([Said("left in the box", quality=["silence"])], Verdict(Outcome.LABELLED, "", "anna@example.org")),
        ([Said()], Verdict(Outcome.SKIPPED)),
        ([Said(quality=["noisy"])], Verdict(Outcome.SKIPPED)),
        ([Said("a"), Said("b", annotator="bo")], Verdict(Outcome.LABELLED, "b", "bo")),
        ([Said("a"), Said(was_skipped=True)], Verdict(Outcome.LABELLED, "a", "anna@example.org")),
        ([Said("a"), Said(quality=["unintelligible"])], Verdict(Outcome.UNINTELLIGIBLE)),
    ],
)
def test_what_submissions_amount_to(submissions: list[Said], expected: Verdict | None) -> None:
    assert verdict(submissions) == expected
