"""The door, and what every page carries."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from earmark.accounts import sign_in
from earmark.accounts.models import AuditEntry
from tests.web import factories
from tests.web.factories import World

pytestmark = pytest.mark.django_db

DOOR = "/sign-in/"


def knock(client: Client, name: str, password: str, **more: str) -> int:
    return client.post(DOOR, {"username": name, "password": password, **more}).status_code


def test_the_right_password_opens_and_is_written_down() -> None:
    person = factories.person("mei")
    client = Client()
    assert knock(client, "mei", factories.PASSWORD) == 302
    assert client.session["_auth_user_id"] == str(person.pk)
    assert AuditEntry.objects.filter(actor=person, verb="sign in").exists()


def test_too_many_wrong_passwords_shut_the_door_for_that_name_from_that_place() -> None:
    factories.person("mei")
    factories.person("kwok")
    client = Client()
    answers = [knock(client, "mei", "wrong") for _try in range(sign_in.TRIES + 1)]
    assert answers == [200] * sign_in.TRIES + [429]
    assert knock(client, "mei", factories.PASSWORD) == 429
    assert knock(Client(REMOTE_ADDR="10.0.0.9"), "mei", factories.PASSWORD) == 302
    assert knock(client, "kwok", factories.PASSWORD) == 302


def test_the_door_opens_again_after_a_while() -> None:
    factories.person("mei")
    client = Client()
    for _try in range(sign_in.TRIES):
        knock(client, "mei", "wrong")
    AuditEntry.objects.update(at=timezone.now() - sign_in.WITHIN * 1.01)
    assert knock(client, "mei", factories.PASSWORD) == 302


def test_one_is_led_back_to_where_one_wanted_to_go_but_never_away(world: World) -> None:
    client = Client()
    answer = client.get("/c/harbour/clips/")
    assert answer["Location"] == "/sign-in/?next=/c/harbour/clips/"
    sent = {"username": "viewer", "password": factories.PASSWORD}
    assert client.post(DOOR, {**sent, "next": "/c/harbour/clips/"})["Location"] == "/c/harbour/clips/"
    assert Client().post(DOOR, {**sent, "next": "https://evil.example/"})["Location"] == "/"


def test_signing_out_takes_a_post(world: World) -> None:
    client = Client()
    client.force_login(world.people["viewer"])
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert "_auth_user_id" not in client.session


def test_no_page_lets_a_browser_run_what_is_written_into_it(world: World) -> None:
    client = Client()
    client.force_login(world.people["admin"])
    for url in (
        "/sign-in/",
        "/c/harbour/",
        "/c/harbour/progress/",
        f"/c/harbour/trainings/{world.running.pk}/",
        "/x/",
    ):
        answer = client.get(url)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        page = answer.content.decode()
        assert " style=" not in page
        assert " onclick=" not in page
        assert "<script>" not in page
        assert "<style" not in page


def test_pages_come_in_the_language_asked_for(world: World) -> None:
    client = Client()
    client.force_login(world.people["viewer"])
    client.post(reverse("set_language"), {"language": "zh-hans", "next": "/c/harbour/clips/"})
    page = client.get("/c/harbour/clips/").content.decode()
    assert '<html lang="zh-hans">' in page
    assert "识别结果与认定文本" in page


def test_what_is_not_there_has_a_page_of_its_own(world: World) -> None:
    client = Client()
    client.force_login(world.people["viewer"])
    assert "There is nothing here" in client.get("/c/nowhere/").content.decode()
    assert "Your role does not allow this" in client.get("/c/harbour/trainings/launch/").content.decode()
