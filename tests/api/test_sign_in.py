"""Tokens: given for a password, kept as hashes, taken back, and not to be guessed."""

import pytest
from django.core.cache import cache
from knox.models import AuthToken
from rest_framework.test import APIClient

from earmark.accounts.models import AuditEntry
from tests.api.world import PASSWORD, person

DOOR = "/api/v1/auth/token/"


@pytest.fixture
def client(db: None) -> APIClient:
    cache.clear()
    person("mei")
    return APIClient()


def sign_in(client: APIClient, password: str = PASSWORD, **headers: str) -> tuple[int, dict[str, str]]:
    answer = client.post(DOOR, {"username": "mei", "password": password}, format="json", **headers)
    return answer.status_code, answer.json()


def test_a_token_opens_and_is_taken_back(client: APIClient) -> None:
    status, given = sign_in(client)
    assert status == 201
    assert given["expiry"].endswith("Z")
    client.credentials(HTTP_AUTHORIZATION=f"Token {given['token']}")
    assert client.get("/api/v1/me/").json()["username"] == "mei"
    assert client.delete(DOOR).status_code == 204
    refused = client.get("/api/v1/me/")
    assert refused.status_code == 401
    assert refused.json()["error_id"] == "api:sign-in:refused"
    assert refused.headers["WWW-Authenticate"] == "Token"


def test_only_the_hash_is_kept(client: APIClient) -> None:
    _status, given = sign_in(client)
    kept = AuthToken.objects.get()
    assert given["token"] not in (kept.digest, kept.token_key)
    assert len(kept.digest) == 128
    assert AuditEntry.objects.filter(verb="sign in by token", actor__username="mei").exists()


def test_revoking_one_token_leaves_the_others(client: APIClient) -> None:
    first, second = (sign_in(client)[1]["token"] for _ in range(2))
    client.credentials(HTTP_AUTHORIZATION=f"Token {first}")
    client.delete(DOOR)
    client.credentials(HTTP_AUTHORIZATION=f"Token {second}")
    assert client.get("/api/v1/me/").status_code == 200


def test_a_wrong_password_and_an_unknown_name_read_the_same(client: APIClient) -> None:
    status, told = sign_in(client, "wrong")
    unknown = client.post(DOOR, {"username": "nobody", "password": "wrong"}, format="json")
    assert (status, told) == (unknown.status_code, unknown.json())
    assert (status, told["error_id"]) == (401, "api:sign-in:refused")


def test_ten_tries_a_minute_from_one_address(client: APIClient) -> None:
    tried = [client.post(DOOR, {"username": f"name{number}"}, format="json") for number in range(11)]
    assert [each.status_code for each in tried] == [400] * 10 + [429]
    assert tried[-1].json()["error_id"] == "api:throttled"
    assert int(tried[-1].headers["Retry-After"]) > 0


def test_the_name_is_barred_after_wrong_passwords_whatever_the_peer_claims_to_be(client: APIClient) -> None:
    tried = [sign_in(client, "wrong", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}")[0] for number in range(9)]
    assert tried == [401] * 8 + [429]
    assert sign_in(client, PASSWORD, HTTP_X_FORWARDED_FOR="10.0.1.1")[0] == 429
    assert sign_in(client, PASSWORD, REMOTE_ADDR="10.9.9.9")[0] == 201


def test_a_session_may_read_but_needs_the_csrf_token_to_write(client: APIClient) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.login(username="mei", password=PASSWORD)
    assert browser.get("/api/v1/me/").status_code == 200
    refused = browser.post("/api/v1/collections/any/snapshots/", {}, format="json")
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
