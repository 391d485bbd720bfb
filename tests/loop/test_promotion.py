"""A new model takes the champion's place where it is better beyond chance, or an admin says why; and gives it back."""

import pytest

from earmark.accounts.models import AuditEntry, User
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.jobs.models import Job
from earmark.loop import promotion
from earmark.loop.models import Promotion
from earmark.loop.promotion import previous_champion, promote_for_reason, promote_if_better, roll_back
from earmark.loop.saying import said
from earmark.recognition.models import ModelVersion
from earmark.recognition.registry import holder, set_alias
from earmark.speech.errors import EarmarkError
from tests.loop.world import make_measured, measured
from tests.recognition.world import make_collection, make_model

pytestmark = pytest.mark.django_db
Outcome = Promotion.Outcome


@pytest.fixture
def place() -> tuple[Collection, Snapshot, ModelVersion]:
    """A collection, its test set, and a champion that gets two words of six wrong in scottish clips."""
    collection, snapshot = make_measured()
    model = measured(snapshot, {"scottish": 2, "american": 1}, name="first")
    set_alias(collection=collection, name="champion", model=model, by=None)
    return collection, snapshot, model


def somebody() -> User:
    return User.objects.create_user(username="ada", email="ada@example.org", password="x")


def test_the_better_one_is_promoted_and_what_was_found_is_kept(
    place: tuple[Collection, Snapshot, ModelVersion],
) -> None:
    collection, snapshot, first = place
    second = measured(snapshot, {"scottish": 1, "american": 1}, name="second")
    set_alias(collection=collection, name="challenger", model=second, by=None)
    by = somebody()
    row = promote_if_better(collection=collection, model=second, by=by)
    assert (row.outcome, row.before, row.snapshot, row.by) == (Outcome.BETTER, first, snapshot, by)
    assert row.verdict["high"] < 0
    assert {one["name"] for one in row.verdict["slices"]} == {"scottish", "american"}
    assert holder(collection, "champion") == second
    assert holder(collection, "challenger") is None
    assert said(row).startswith("Error rate 16.7%, was 25.0%: better, −8.3 points")
    entry = AuditEntry.objects.get(verb="promote model")
    assert (entry.actor, entry.details["promotion"]) == (by, row.pk)
    assert Job.objects.filter(kind="champion.follow").count() == 2, "what clips show follows the champion"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"scottish": 2, "american": 1}, "may be chance"),
        ({"scottish": 3, "american": 1}, "worse, +8.3 points"),
        ({"scottish": 0, "american": 2}, "american (dialect) by 16.7 points"),
    ],
)
def test_one_that_is_not_better_everywhere_stays_challenger(
    place: tuple[Collection, Snapshot, ModelVersion], wrong: dict[str, int], told: str
) -> None:
    collection, snapshot, first = place
    second = measured(snapshot, wrong)
    row = promote_if_better(collection=collection, model=second)
    assert row.outcome == Outcome.KEPT
    assert told in said(row)
    assert holder(collection, "champion") == first
    assert holder(collection, "challenger") == second


def test_an_admins_reason_is_kept_with_the_verdict_it_overrules(
    place: tuple[Collection, Snapshot, ModelVersion],
) -> None:
    collection, snapshot, _first = place
    second = measured(snapshot, {"scottish": 3, "american": 1})
    with pytest.raises(EarmarkError) as told:
        promote_for_reason(collection=collection, model=second, reason=" because ", by=None)
    assert told.value.error_id == "loop:promotion:reason"
    row = promote_for_reason(
        collection=collection, model=second, reason="The test set lacks the new\nmicrophones.", by=somebody()
    )
    assert row.reason == said(row) == "The test set lacks the new microphones."
    assert row.verdict["low"] > 0
    assert holder(collection, "champion") == second
    assert AuditEntry.objects.get(verb="promote model for a reason").details["reason"] == row.reason
    unmeasured = make_model()
    assert (
        promote_for_reason(
            collection=collection, model=unmeasured, reason="It is half the size.", by=None
        ).verdict
        == {}
    )


def test_going_back_goes_back_further_each_time(place: tuple[Collection, Snapshot, ModelVersion]) -> None:
    collection, snapshot, first = place
    second = measured(snapshot, {"scottish": 1, "american": 1})
    third = measured(snapshot, {"scottish": 0, "american": 0})
    for model in (second, third):
        assert promote_if_better(collection=collection, model=model).is_change
    assert previous_champion(collection) == second
    assert roll_back(collection=collection, by=None).model == second
    assert roll_back(collection=collection, by=None, reason="still too slow").model == first
    assert holder(collection, "champion") == first
    with pytest.raises(EarmarkError) as told:
        roll_back(collection=collection, by=None)
    assert told.value.error_id == "loop:promotion:first"
    assert Promotion.objects.count() == 4
    assert AuditEntry.objects.filter(verb="roll back champion").count() == 2


def test_who_was_judged_against_another_champion_does_not_take_the_place(
    place: tuple[Collection, Snapshot, ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, snapshot, _first = place
    second, third = (measured(snapshot, {"scottish": n, "american": n}) for n in (1, 0))
    judged = promotion.verdict_on

    def while_another_is_promoted(**models: object) -> object:
        found = judged(**models)  # type: ignore[arg-type]
        set_alias(collection=collection, name="champion", model=third, by=None)
        return found

    monkeypatch.setattr(promotion, "verdict_on", while_another_is_promoted)
    with pytest.raises(EarmarkError) as told:
        promote_if_better(collection=collection, model=second)
    assert told.value.error_id == "loop:promotion:overtaken"
    assert holder(collection, "champion") == third
    assert not Promotion.objects.exists()


def test_what_cannot_be_judged_is_said(place: tuple[Collection, Snapshot, ModelVersion]) -> None:
    collection, _snapshot, first = place

    def refused(model: ModelVersion, where: Collection = collection) -> str:
        with pytest.raises(EarmarkError) as told:
            promote_if_better(collection=where, model=model)
        return told.value.error_id

    assert refused(make_model()) == "loop:promotion:unevaluated"
    assert refused(first) == "loop:promotion:no-change"
    bare = make_collection()
    set_alias(collection=bare, name="champion", model=first, by=None)
    assert refused(make_model(), bare) == "loop:promotion:untested"
