"""What to do next, and the drawing of the loop, without a database."""

from dataclasses import replace
from typing import Any

import pytest

from annotation.models import Round
from earmark.accounts.roles import Role
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job, Status
from earmark.loop.queries import TurnState
from earmark.recognition.models import ModelVersion
from earmark.web.loop_figure import LAYOUT, edges, stations
from earmark.web.queries.counting import Count
from earmark.web.queries.home import Situation
from earmark.web.steps import Step, next_step
from training_jobs.models import Evaluation, TrainingJob

STATES = {"new": 0, "heard": 80, "in_round": 0, "labelled": 20, "skipped": 0, "unintelligible": 0}
TURN = TurnState(
    collection="harbour",
    recordings=100,
    clips=STATES,
    pool_seconds=400.0,
    labelled_seconds=60.0,
    rounds=1,
    open_round=None,
    round_clips=20,
    round_submitted=20,
    snapshots=2,
    trainings=1,
    running_jobs=0,
    champion="tiny-base",
    error_rate=0.2,
    interval=(0.15, 0.25),
    test_clips=40,
)
RESTING = Situation(
    turn=TURN,
    recorded_seconds=420.0,
    references=Count(60),
    annotations=20,
    annotators=2,
    test_set=Snapshot(digest="4f8cf5398c39"),
    snapshot=Snapshot(digest="b7b73c15c109"),
    round=Round(number=1, status="closed"),
    training=TrainingJob(pk=1, job=Job(status=Status.SUCCEEDED)),
    champion=ModelVersion(pk=1, name="tiny-base"),
    contender=None,
    labelled_since_training=0.0,
    unheard=0,
    history=(),
    running=(),
    failed=None,
)


def turned(**changes: Any) -> Situation:
    return replace(RESTING, turn=replace(TURN, **changes))


def running(kind: str) -> Situation:
    return replace(RESTING, running=(Job(kind=kind, done=3, total=4),))


OPEN = replace(turned(open_round=2, round_submitted=5), round=Round(number=2, status="open", project_id=4))
BETTER = Evaluation(model=ModelVersion(pk=2, name="harbour-1"), error_rate=0.1)
WORSE = Evaluation(model=ModelVersion(pk=2, name="harbour-1"), error_rate=0.3)

CASES = [
    (turned(recordings=0), "import", Role.MANAGER),
    (replace(turned(recordings=0), running=(Job(kind="corpus.ingest"),)), "importing", Role.VIEWER),
    (running("recognition.transcribe"), "hearing", Role.VIEWER),
    (running("training_jobs.evaluate"), "evaluating", Role.VIEWER),
    (
        replace(RESTING, training=TrainingJob(pk=1, job=Job(status=Status.RUNNING, done=1, total=2))),
        "training",
        Role.VIEWER,
    ),
    (replace(RESTING, unheard=5), "transcribe", Role.MANAGER),
    (replace(RESTING, test_set=None), "freeze", Role.ADMIN),
    (OPEN, "label", Role.ANNOTATOR),
    (replace(OPEN, round=Round(number=2, status="opening")), "opening", Role.VIEWER),
    (replace(OPEN, turn=replace(OPEN.turn, round_submitted=20)), "close", Role.MANAGER),
    (replace(RESTING, contender=BETTER), "promote", Role.MANAGER),
    (replace(RESTING, contender=WORSE), "open-round", Role.MANAGER),
    (replace(RESTING, labelled_since_training=90.0), "train", Role.ADMIN),
    (replace(RESTING, training=TrainingJob(pk=1, job=Job(status=Status.FAILED))), "train", Role.ADMIN),
    (RESTING, "open-round", Role.MANAGER),
]


@pytest.mark.parametrize(("now", "key", "needs"), CASES, ids=[key for _now, key, _needs in CASES])
def test_the_next_step(now: Situation, key: str, needs: Role) -> None:
    step = next_step(now)
    assert (step.key, step.needs) == (key, needs)
    assert step.station in LAYOUT
    assert step.title
    assert step.text


def test_the_step_says_how_far_it_is() -> None:
    assert next_step(running("recognition.transcribe")).share_done == 0.75
    assert next_step(OPEN).share_done == 0.25


def test_the_waiting_station_is_marked_and_its_arrow_flows() -> None:
    step = next_step(running("recognition.transcribe"))
    assert [one.key for one in stations(RESTING, step) if one.is_active] == ["hypotheses"]
    flowing = [edge for edge in edges(step) if edge.is_flowing]
    assert len(flowing) == 2  # from the clips, and from the champion
    assert not any(edge.is_flowing for edge in edges(next_step(RESTING)))


def test_every_station_speaks_in_an_empty_collection() -> None:
    empty = replace(
        turned(
            recordings=0,
            clips=dict.fromkeys(STATES, 0),
            champion=None,
            error_rate=None,
            interval=None,
            test_clips=None,
        ),
        snapshot=None,
        training=None,
        round=None,
        test_set=None,
    )
    drawn = stations(empty, Step(key="", station="", title="", text=""))
    assert [one.key for one in drawn] == list(LAYOUT)
    assert all(one.label and one.value and one.note for one in drawn)


def test_boxes_do_not_overlap() -> None:
    drawn = stations(RESTING, next_step(RESTING))
    places = [(one.x, one.y) for one in drawn]
    assert len(set(places)) == len(places)
