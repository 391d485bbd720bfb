"""The address Label Studio calls."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Round
from annotation.review_models import Incident
from annotation.rounds import open_round, request_round
from annotation.views import DELAY_SECONDS
from earmark.jobs.models import Job
from earmark.jobs.tasks import run_job
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.world import TestContext, heard_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(studio: FakeLabelStudio) -> Round:
    made, _ = request_round(collection=heard_collection(4), budget_seconds=6.0, seed=1, by=None)
    open_round(TestContext(), round_id=made.pk)
    Job.objects.all().delete()
    return made


def call(row_id: int, secret: str | None, **content: str) -> int:
    headers = {} if secret is None else {"X-Earmark-Secret": secret}
    body = content or {"action": "ANNOTATION_CREATED"}
    path = f"/hooks/label-studio/{row_id}/"
    return Client().post(path, body, content_type="application/json", headers=headers).status_code


def test_with_the_secret_a_sync_is_asked_for_soon(row: Round, secret: str) -> None:
    assert call(row.pk, secret) == 202
    job = Job.objects.get()
    assert (job.kind, job.arguments) == ("annotation.sync", {"round_id": row.pk})
    assert job.not_before > timezone.now()


def test_many_calls_are_one_sync(row: Round, secret: str) -> None:
    assert [call(row.pk, secret) for _ in range(5)] == [202] * 5
    assert Job.objects.count() == 1


def test_the_broker_is_told_when_the_sync_is_due(
    row: Round,
    secret: str,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(run_job, "apply_async", lambda **how: sent.append(how))
    with django_capture_on_commit_callbacks(execute=True):
        call(row.pk, secret)
    assert [(how["args"], how["countdown"]) for how in sent] == [((Job.objects.get().pk,), DELAY_SECONDS)]


@pytest.mark.parametrize("wrong", [None, "", "guessed", "whispered ", "悄悄话"])
def test_without_the_secret_nothing_happens(row: Round, secret: str, wrong: str | None) -> None:
    assert call(row.pk, wrong and wrong.encode().decode("latin-1")) == 403
    assert not Job.objects.exists()


def test_what_the_body_says_is_not_believed(row: Round, secret: str) -> None:
    assert call(row.pk, secret, action="ANNOTATIONS_DELETED", round="999", project="1; DROP TABLE") == 202
    assert Job.objects.get().arguments == {"round_id": row.pk}


def test_a_round_that_is_not_there_is_not_found(secret: str) -> None:
    assert call(999, secret) == 404


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"action": 7}', "{" * 100_000, "\x00\xff"])
def test_a_malformed_call_is_kept_once_and_the_sync_done_all_the_same(
    row: Round, secret: str, body: str
) -> None:
    for _ in range(3):
        answer = Client().post(
            f"/hooks/label-studio/{row.pk}/",
            body.encode("latin-1"),
            content_type="application/json",
            headers={"X-Earmark-Secret": secret},
        )
        assert answer.status_code == 202
    incident = Incident.objects.get()
    assert (incident.error_id, incident.round, incident.times) == ("annotation:webhook:malformed", row, 3)
    assert Job.objects.count() == 1


def test_wrong_secrets_and_unknown_rounds_are_kept_in_bounded_room(
    row: Round, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.incidents.MOST", 5)
    for number in range(4):
        call(row.pk, f"guess {number}")
        call(row.pk + 10 + number, f"guess {number}")
    assert set(Incident.objects.values_list("error_id", "round", "times")) == {
        ("annotation:webhook:secret", None, 4),
        ("annotation:webhook:secret", row.pk, 4),
    }
    for number in range(12):
        assert call(row.pk + 10 + number, secret) == 404
    unknown = Incident.objects.filter(error_id="annotation:webhook:unknown-round")
    assert unknown.count() == 5
    assert sum(unknown.values_list("times", flat=True)) == 12
    assert "guess" not in str(list(Incident.objects.values())), "no secret is kept, not even a wrong one"


def test_a_hint_as_label_studio_sends_it_is_no_incident(row: Round, secret: str) -> None:
    assert call(row.pk, secret) == 202
    assert not Incident.objects.exists()


def test_only_post_is_answered(row: Round, secret: str) -> None:
    answer = Client().get(f"/hooks/label-studio/{row.pk}/", headers={"X-Earmark-Secret": secret})
    assert answer.status_code == 405
