"""What a simulated annotator decides, without any Label Studio."""

from collections import Counter
from statistics import mean

from annotation.project import prediction
from earmark.demo.annotators import SKIP_RATE, UNINTELLIGIBLE_RATE, accounts, decide, shown_text


def task(clip: int, shown: str = "", seconds: float = 2.0) -> dict[str, object]:
    return {
        "id": clip,
        "data": {"clip": clip, "seconds": seconds, "round": 1},
        "predictions": [prediction(text=shown, model="m", score=0.5)],
    }


def test_the_same_clip_is_answered_alike_for_a_seed() -> None:
    assert decide(task(5), "one two three", seed=1) == decide(task(5), "one two three", seed=1)


def test_they_skip_and_doubt_now_and_then() -> None:
    spoken = "打开二十四号房的灯"
    made = [decide(task(clip), spoken, seed=1) for clip in range(6000)]
    kinds = Counter((one.skipped, one.unintelligible) for one in made)
    assert abs(kinds[True, False] / 6000 - SKIP_RATE) < 0.006
    assert abs(kinds[False, True] / 6000 - UNINTELLIGIBLE_RATE) < 0.006
    assert kinds[True, True] == 0
    assert all(one.text for one in made if not (one.skipped or one.unintelligible))


def test_the_result_is_what_the_editor_sends() -> None:
    made = [decide(task(clip), "hello", seed=2) for clip in range(500)]
    doubtful = next(one for one in made if one.unintelligible)
    assert doubtful.result() == [
        {
            "from_name": "quality",
            "to_name": "audio",
            "type": "choices",
            "value": {"choices": ["unintelligible"]},
        }
    ]
    plain = next(one for one in made if one.text == "hello")
    assert plain.result() == [
        {"from_name": "transcription", "to_name": "audio", "type": "textarea", "value": {"text": ["hello"]}}
    ]


def test_correcting_takes_longer_than_agreeing_and_long_clips_longer_than_short() -> None:
    def time(shown: str, seconds: float) -> float:
        return mean(decide(task(clip, shown, seconds), "one", seed=1).lead_seconds for clip in range(300))

    assert time("one", 2.0) < time("won", 2.0) < time("won", 9.0)
    assert 2.0 < time("one", 2.0) < 10.0


def test_the_box_shows_the_prediction() -> None:
    assert shown_text(task(1, "turn on")) == "turn on"
    assert shown_text(task(1, "")) == ""


def test_accounts_belong_to_the_installation() -> None:
    ours, theirs = accounts("one secret"), accounts("another secret")
    assert [one.email for one in ours] == [one.email for one in theirs]
    assert not {one.password for one in ours} & {one.password for one in theirs}
    assert ours == accounts("one secret")
