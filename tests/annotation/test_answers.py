"""What submissions say and amount to."""

from dataclasses import dataclass, field

import pytest

from annotation.answers import Segment, Verdict, decided, read_answer, read_segments, verdict
from annotation.models import RoundClip
from earmark.corpus.models import Reference

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


def turn(key: str, start: object, end: object, speaker: str = "speaker_a", **changed: object) -> dict:
    value = {"start": start, "end": end, "channel": 0, "labels": [speaker]}
    return {"id": key, "from_name": "turns", "to_name": "audio", "type": "labels", "value": value} | changed


def words(key: str, *texts: str) -> dict:
    value = {"start": 0, "end": 1, "text": list(texts)}
    return {"id": key, "from_name": "turn_text", "to_name": "audio", "type": "textarea", "value": value}


def test_turns_come_with_their_texts_by_their_start() -> None:
    results = [
        words("b", "yes"),
        turn("b", 4.5, 6, "speaker_b"),
        turn("a", 0, 4.25),
        words("a", "are", "you?"),
    ]
    answer = read_answer(annotation(result=[*annotation()["result"], *results]))
    assert answer.segments == (
        Segment(0.0, 4.25, "speaker_a", "are you?"),
        Segment(4.5, 6.0, "speaker_b", "yes"),
    )
    assert answer.text == "turn it on", "the text of a turn is not the clip's"
    assert answer.segments[0].as_json() == {
        "start": 0.0,
        "end": 4.25,
        "speaker": "speaker_a",
        "text": "are you?",
    }


@pytest.mark.parametrize(
    "broken",
    [
        turn("a", 2, 2), turn("a", 3, 1), turn("a", -1, 2), turn("a", float("nan"), 2), turn("a", "1", 2),
        turn("a", None, 2), turn("a", True, 2), turn("a", 0, float("inf")), turn("a", 0, 1, to_name="around"),
        {"id": "a", "from_name": "turns", "to_name": "audio"}, words("a", "alone"),
    ],
)  # fmt: skip
def test_what_is_no_turn_is_none(broken: dict) -> None:
    assert read_segments([broken]) == ()


def test_a_turn_may_have_neither_label_nor_text() -> None:
    bare = turn("a", 0, 1)
    del bare["value"]["labels"]
    assert read_segments([bare]) == (Segment(0.0, 1.0, "", ""),)


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


def by(*texts: str) -> list[Said]:
    return [
        Said(text, annotator=name) for text, name in zip(texts, ("anna", "bo", "cy", "deng"), strict=False)
    ]


def test_several_people_amount_to_what_a_majority_says_in_every_place() -> None:
    said = by("turn the light on", "turn a light on please", "burn the light on please")
    found = decided(said, wanted=3, language="en")
    assert found == Verdict(
        Outcome.LABELLED, "turn the light on please", "anna, bo, cy", kind=Reference.Kind.CONSENSUS
    )
    assert decided(said[:2], wanted=3, language="en") is None
    unlike = decided(by("turn it on", "turn it off"), wanted=2, language="en")
    assert unlike == Verdict(Outcome.ADJUDICATE)


def test_people_who_seldom_err_count_for_more() -> None:
    said = by("turn it on", "turn it off", "turn it off", "turn it on")
    assert decided(said, wanted=4, language="en") == Verdict(Outcome.ADJUDICATE)
    votes = {"anna": 5.0, "bo": 2.0, "cy": 2.0}
    found = decided(said, wanted=4, language="en", votes=votes)
    assert found
    assert found.text == "turn it on"
