"""How Label Studio's answers are read, and its failures told, against a transport in memory."""

import json
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from django.conf import settings
from django.test import override_settings

from annotation.label_studio import LabelStudio, LabelStudioAway, ProjectGone, Webhook, client
from earmark.speech.errors import EarmarkError

URL = "http://studio.example"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.signature"


def speaking_to(answer: Callable[[httpx.Request], httpx.Response], key: str = "f" * 40) -> LabelStudio:
    return LabelStudio(URL, key, transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("status", "error_id", "kind", "hint"),
    [
        (401, "annotation:label-studio:refused", EarmarkError, "LABEL_STUDIO_API_KEY"),
        (403, "annotation:label-studio:refused", EarmarkError, "LABEL_STUDIO_API_KEY"),
        (404, "annotation:label-studio:project-gone", ProjectGone, "LABEL_STUDIO_URL"),
        (400, "annotation:label-studio:rejected", EarmarkError, "version"),
        (500, "annotation:label-studio:failed", LabelStudioAway, "log"),
        (503, "annotation:label-studio:failed", LabelStudioAway, "log"),
    ],
)
def test_refusals_say_who_must_do_what(
    status: int, error_id: str, kind: type[EarmarkError], hint: str
) -> None:
    studio = speaking_to(lambda request: httpx.Response(status, json={"detail": "because"}))
    with pytest.raises(kind) as caught:
        studio.update_project(7, title="x")
    assert caught.value.error_id == error_id
    assert hint in caught.value.hint
    assert URL in str(caught.value)


def test_silence_names_the_address_to_set() -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(LabelStudioAway) as caught:
        speaking_to(silent).emails()
    assert caught.value.error_id == "annotation:label-studio:unreachable"
    assert "LABEL_STUDIO_URL" in caught.value.hint


def test_an_import_is_sent_once_even_if_it_fails() -> None:
    sent = []

    def failing(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        return httpx.Response(502)

    with pytest.raises(LabelStudioAway):
        speaking_to(failing).import_tasks(7, [{"data": {}}])
    assert sent == ["/api/projects/7/import"]


def test_without_a_key_nobody_is_called() -> None:
    with (
        override_settings(EARMARK=replace(settings.EARMARK, label_studio_api_key="")),
        pytest.raises(EarmarkError) as caught,
    ):
        client()
    assert caught.value.error_id == "annotation:label-studio:no-key"
    assert "LABEL_STUDIO_API_KEY" in str(caught.value)


def test_a_legacy_key_is_sent_as_it_is() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json=[])

    speaking_to(answer).emails()
    assert seen == [f"Token {'f' * 40}"]


def test_a_personal_access_token_is_exchanged_and_renewed() -> None:
    valid: list[str] = []
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if request.url.path == "/api/token/refresh/":
            assert json.loads(request.content) == {"refresh": JWT}
            valid[:] = [f"access-{len(calls)}"]
            return httpx.Response(200, json={"access": valid[0]})
        held = request.headers.get("Authorization") == f"Bearer {valid[0]}" if valid else False
        return httpx.Response(200, json=[]) if held else httpx.Response(401)

    studio = speaking_to(answer, JWT)
    studio.emails()
    studio.emails()
    assert calls == ["/api/token/refresh/", "/api/users/", "/api/users/"], "one exchange serves many calls"
    valid[:] = ["expired meanwhile"]
    studio.emails()
    assert calls[3:] == ["/api/users/", "/api/token/refresh/", "/api/users/"]


def test_a_revoked_personal_access_token_is_refused() -> None:
    with pytest.raises(EarmarkError) as caught:
        speaking_to(lambda request: httpx.Response(401, json={}), JWT).emails()
    assert caught.value.error_id == "annotation:label-studio:refused"


def test_pages_go_by_id_so_that_a_vanished_task_shifts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.label_studio.LEAN_PAGE", 3)
    ids = list(range(1, 9))

    def answer(request: httpx.Request) -> httpx.Response:
        query = json.loads(request.url.params["query"])
        after = query["filters"]["items"][-1]["value"]
        page = [{"id": one, "data": {}} for one in ids if one > after][:3]
        if after == 0:
            ids.remove(2)
        return httpx.Response(200, json={"tasks": page})

    found = [task["id"] for page in speaking_to(answer).tasks(5) for task in page]
    assert found == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_webhook_is_made_once_and_kept_as_wanted() -> None:
    hooks: dict[int, dict[str, object]] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        key = request.url.path.rstrip("/").rpartition("/")[2]
        if request.method == "POST":
            hooks[len(hooks) + 1] = {"id": len(hooks) + 1, **body}
        elif request.method == "PATCH":
            hooks[int(key)].update(body)
        elif request.method == "DELETE":
            del hooks[int(key)]
        return httpx.Response(200, json=list(hooks.values()))

    studio = speaking_to(answer)
    studio.ensure_webhook(5, Webhook("http://site/hook/", {"X-Secret": "old"}, ["ANNOTATION_CREATED"]))
    hooks[2] = {"id": 2, "url": "http://site/hook/"}
    hooks[3] = {"id": 3, "url": "http://someone.else/"}
    studio.ensure_webhook(5, Webhook("http://site/hook/", {"X-Secret": "new"}, ["ANNOTATION_CREATED"]))
    assert sorted(hooks) == [1, 3]
    assert hooks[1]["headers"] == {"X-Secret": "new"}
    assert hooks[1]["send_payload"] is False
