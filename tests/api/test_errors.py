"""One form for every refusal."""

import logging

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions

from earmark.api.errors import handle, problem_of, status_of
from earmark.speech.errors import EarmarkError
from tests.api.world import World


@pytest.mark.parametrize(
    ("error", "status", "error_id"),
    [
        (EarmarkError("corpus:audio:unreadable", "a.wav has no audio."), 400, "corpus:audio:unreadable"),
        (EarmarkError("datasets:snapshot:leak", "A speaker is on two sides."), 409, "datasets:snapshot:leak"),
        (EarmarkError("recognition:model:unavailable", "No model."), 503, "recognition:model:unavailable"),
        (Http404(), 404, "api:not-found"),
        (PermissionDenied("Only an admin may."), 403, "api:permission:denied"),
        (SuspiciousOperation("Too many files."), 400, "api:request:refused"),
        (exceptions.ParseError(), 400, "api:request:unreadable"),
        (exceptions.MethodNotAllowed("PUT"), 405, "api:method:not-allowed"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "api:media-type:unsupported"),
        (ZeroDivisionError("division by zero"), 500, "api:unexpected"),
    ],
)
def test_each_error_has_a_status_and_an_id(error: Exception, status: int, error_id: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.error_id) == (status, error_id)
    assert problem.detail


def test_the_hint_says_who_must_do_what() -> None:
    told = problem_of(EarmarkError("a:b", "The thing is broken.", "An admin mends it.")).body()
    assert told == {
        "status": 400,
        "error_id": "a:b",
        "detail": "The thing is broken.",
        "hint": "An admin mends it.",
    }


def test_an_unforeseen_error_is_logged_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = handle(ZeroDivisionError("secret"), {})
    assert response.status_code == 500
    assert "secret" not in str(response.data)
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("error_id", "status"),
    [
        ("annotation:label-studio:unreachable", 503),
        ("training:recipe:unknown", 400),
        ("api:idempotency:mismatch", 409),
    ],
)
def test_the_last_word_of_an_id_decides_the_status(error_id: str, status: int) -> None:
    assert status_of(error_id) == status


def test_wrong_fields_are_named(world: World) -> None:
    answer = world.client("manager").post(
        "/api/v1/collections/cantonese/rounds/", {"budget_seconds": "NaN", "audit_share": 2}, format="json"
    )
    assert answer.status_code == 400
    assert answer.json()["error_id"] == "api:request:invalid"
    assert set(answer.json()["fields"]) == {"budget_seconds", "audit_share"}


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [("{", "application/json", 400), ("a=1", "text/plain", 415), ("[1]", "application/json", 400)],
)
def test_bodies_that_cannot_be_read(world: World, content: str, content_type: str, status: int) -> None:
    answer = world.client("manager").post(
        "/api/v1/collections/cantonese/rounds/", content, content_type=content_type
    )
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_it_speaks_the_language_asked_for(world: World) -> None:
    address = "/api/v1/collections/cantonese/clips/?state=nonsense"
    asked = [
        world.client("viewer").get(address, headers={"Accept-Language": each}).json()
        for each in ("en", "zh-hans")
    ]
    assert [each["error_id"] for each in asked] == ["api:request:invalid"] * 2
    assert asked[0]["fields"] != asked[1]["fields"]


def test_what_the_client_accepts_changes_nothing(world: World) -> None:
    answer = world.client("viewer").get("/api/v1/me/", headers={"Accept": "text/html"})
    assert answer.headers["Content-Type"] == "application/json"
