"""What is done next with a training: a small machine, driven by whatever can happen in whatever order."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from training_jobs.launchers.launcher import CANNOT, DONE, LOST, STOPPED
from training_jobs.phases import MOST_FRUITLESS, URGENCY, Act, Seen, Stop, next_act

ENDS = (Act.KEEP, Act.CANCEL, Act.FAIL, Act.FAIL_FOR_SPACE)
CODES = (DONE, CANNOT, STOPPED, LOST, -9, -15, 1, 137)
EVENTS = st.one_of(
    st.tuples(st.just("ends"), st.sampled_from(CODES), st.booleans()),
    st.tuples(st.just("asked"), st.sampled_from([Stop.GENTLY, Stop.HARD])),
    st.tuples(st.just("disk"), st.booleans()),
    st.tuples(st.just("long ago"), st.booleans()),
    st.tuples(st.just("model"), st.just(True)),
)


def seen(**fields: object) -> Seen:
    return replace(Seen(), **fields)  # type: ignore[arg-type]


class World:
    """A training and the trainer it may have."""

    def __init__(self) -> None:
        self.now = Seen()
        self.trainers = 0
        self.began_after_stop = False

    def happens(self, event: tuple) -> None:
        what, value, *more = event
        if what == "ends" and self.now.lives:
            self.trainers -= 1
            fruitless = self.now.fruitless + 1 if more[0] else 0
            self.now = replace(self.now, code=value, fruitless=fruitless)
        elif what == "asked" and URGENCY[value] > URGENCY[self.now.stop]:
            self.now = replace(self.now, stop=value)
        elif what == "disk":
            self.now = replace(self.now, is_short_of_space=value)
        elif what == "long ago":
            self.now = replace(self.now, is_patient=not value)
        elif what == "model" and self.now.lives:
            self.now = replace(self.now, has_model=True)

    def does(self, act: Act) -> None:
        if act == Act.START:
            self.trainers += 1
            self.began_after_stop |= bool(self.now.stop)
            self.now = replace(self.now, started=True, code=None, told=Stop.NO)
        elif act in (Act.STOP_GENTLY, Act.STOP_HARD):
            told = Stop.HARD if act == Act.STOP_HARD else Stop.GENTLY
            assert URGENCY[told] > URGENCY[self.now.told], "it is told each thing once"
            self.now = replace(self.now, told=told)


@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_there_is_one_trainer_and_an_end(events: list[tuple]) -> None:
    world = World()
    for event in [*events, *[("ends", code, True) for code in (-9,) * (MOST_FRUITLESS + 1)]]:
        world.happens(event)
        act = next_act(world.now)
        assert not (world.trainers and act in (*ENDS, Act.START)), (
            "nothing ends or begins beside a living trainer"
        )
        world.does(act)
        assert world.trainers <= 1
        if act in ENDS:
            break
    else:
        raise AssertionError("a trainer that is killed again and again is given up")
    assert not world.began_after_stop
    assert act == Act.CANCEL if world.now.stop else act != Act.CANCEL
    assert act != Act.KEEP or world.now.has_model


@given(st.sampled_from([Stop.GENTLY, Stop.HARD]), st.sampled_from(list(Stop)), st.booleans(), st.booleans())
def test_who_asks_for_an_end_gets_it(stop: Stop, told: Stop, patient: bool, short: bool) -> None:
    living = seen(started=True, stop=stop, told=told, is_patient=patient, is_short_of_space=short)
    act = next_act(living)
    if told == Stop.HARD or (told == stop == Stop.GENTLY and patient):
        assert act == Act.WAIT
    else:
        hard = stop == Stop.HARD or (told == Stop.GENTLY and not patient)
        assert act == (Act.STOP_HARD if hard else Act.STOP_GENTLY)


def test_what_can_be_taken_up_is_and_what_cannot_fails() -> None:
    for code, act in (
        (STOPPED, Act.START), (LOST, Act.START), (-9, Act.START), (CANNOT, Act.FAIL), (1, Act.FAIL), (DONE, Act.FAIL),
    ):  # fmt: skip
        assert next_act(seen(started=True, code=code)) == act
    assert next_act(seen(started=True, code=DONE, has_model=True)) == Act.KEEP
    assert next_act(seen(started=True, code=-9, fruitless=MOST_FRUITLESS)) == Act.FAIL
    assert next_act(seen(started=True, code=-9, fruitless=MOST_FRUITLESS - 1)) == Act.START


def test_a_full_disk_stops_with_a_checkpoint_and_fails_until_there_is_room() -> None:
    full = seen(started=True, is_short_of_space=True)
    assert next_act(full) == Act.STOP_GENTLY
    assert next_act(replace(full, told=Stop.GENTLY)) == Act.WAIT
    assert next_act(replace(full, told=Stop.GENTLY, code=STOPPED)) == Act.FAIL_FOR_SPACE
    assert next_act(replace(full, told=Stop.GENTLY, code=STOPPED, is_short_of_space=False)) == Act.START
    assert next_act(seen(is_short_of_space=True)) == Act.FAIL_FOR_SPACE
