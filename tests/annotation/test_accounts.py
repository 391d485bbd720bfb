"""Whose account in Label Studio is whose, and how people get one."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from annotation.accounts_mapping import (
    accounts_of,
    map_accounts,
    map_accounts_if_due,
    map_by_hand,
    unmapped_submitters,
)
from annotation.invitations import accept, invite, invited_by, token_of, way_in
from annotation.models import Annotation, Round, RoundClip
from annotation.rerouting import reroute_round
from annotation.review_models import Invitation
from annotation.rounds import open_round, request_round
from annotation.routing_models import Annotator, Pass
from earmark.accounts.models import AuditEntry, Role, User
from earmark.corpus.models import Collection
from earmark.corpus.services import add_member
from earmark.jobs.models import Job
from earmark.recognition.models import ModelVersion
from earmark.speech.errors import EarmarkError
from tests.annotation.fake_label_studio import FakeLabelStudio
from tests.annotation.world import TestContext, heard_collection

pytestmark = pytest.mark.django_db


@pytest.fixture
def collection() -> Collection:
    return heard_collection(4)


def person(name: str, collection: Collection, *, email: str = "", role: Role = Role.ANNOTATOR) -> User:
    made = User.objects.create_user(name, email or f"{name}@example.org", "x")
    add_member(collection=collection, user=made, role=role)
    return made


def annotator(name: str, collection: Collection, **fields: object) -> Annotator:
    user = person(name, collection, email=str(fields.pop("email", "")))
    return Annotator.objects.create(collection=collection, user=user, **fields)


def test_accounts_are_found_by_address_whatever_its_case(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    anna = annotator("anna", collection, email="ANNA@example.org")
    other = annotator("someone", collection)
    assert map_accounts(collection, studio) == 1
    anna.refresh_from_db()
    other.refresh_from_db()
    assert (anna.studio_user, anna.studio_email) == (1, "anna@example.org")
    assert (other.studio_user, other.studio_email) == (None, "")


def test_an_account_keeps_its_person_when_its_address_changes(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    anna = annotator("anna", collection)
    map_accounts(collection, studio)
    studio.users[1] = "anna.b@example.org"
    assert map_accounts(collection, studio) == 1
    anna.refresh_from_db()
    assert (anna.studio_user, anna.studio_email) == (1, "anna.b@example.org")
    del studio.users[1]
    map_accounts(collection, studio)
    anna.refresh_from_db()
    assert anna.studio_user is None


def test_no_account_has_two_people(collection: Collection, studio: FakeLabelStudio) -> None:
    first = annotator("anna", collection, studio_user=2, studio_email="bo@example.org")
    second = annotator("bo", collection)
    map_accounts(collection, studio)
    second.refresh_from_db()
    first.refresh_from_db()
    assert (first.studio_user, second.studio_user) == (2, None)


def test_label_studio_is_asked_only_where_somebody_has_none(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    assert map_accounts_if_due(collection, studio) == 0
    annotator("anna", collection)
    assert map_accounts_if_due(collection, studio) == 1
    assert map_accounts_if_due(collection, studio) == 0
    assert studio.calls.count("emails") == 1


def submitted(collection: Collection, *authors: str) -> None:
    row = Round.objects.create(
        collection=collection, number=1, strategy="s", budget_seconds=1, audit_share=0, seed=1,
        model=ModelVersion.objects.first(),
    )  # fmt: skip
    place = RoundClip.objects.create(round=row, clip=collection.clips.first(), reason="strategy", score=1)
    now = timezone.now()
    for number, author in enumerate(authors):
        Annotation.objects.create(
            round_clip=place, annotation_id=number, annotator=author, created_at=now, updated_at=now
        )


def test_submissions_that_are_nobodys_are_listed(collection: Collection) -> None:
    annotator("anna", collection, studio_user=1, studio_email="anna@example.org")
    submitted(collection, "Anna@example.org", "stray@x.org", "stray@x.org", "user 1", "user 9", "")
    found = [(one.address, one.submitted) for one in unmapped_submitters(collection)]
    assert found == [("stray@x.org", 2), ("user 9", 1)]


def test_a_manager_says_whose_an_account_is(collection: Collection, studio: FakeLabelStudio) -> None:
    mei, bo = person("mei", collection), person("bo", collection)
    made = map_by_hand(collection=collection, user=mei, address="BO@example.org", emails=studio.users, by=bo)
    assert (made.studio_user, made.studio_email) == (2, "bo@example.org")
    assert AuditEntry.objects.get(verb="map account").details["person"] == "mei"
    by_number = map_by_hand(collection=collection, user=bo, address="user 7", emails=studio.users, by=None)
    assert (by_number.studio_user, by_number.studio_email) == (7, "")
    with pytest.raises(EarmarkError) as taken:
        map_by_hand(collection=collection, user=bo, address="bo@example.org", emails=studio.users, by=None)
    assert taken.value.error_id == "annotation:account:taken"
    with pytest.raises(EarmarkError) as unknown:
        map_by_hand(collection=collection, user=bo, address="user x", emails=studio.users, by=None)
    assert unknown.value.error_id == "annotation:account:unknown"


def test_an_invitation_leads_to_sign_up_once_and_is_accepted(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    mei = person("mei", collection)
    made = invited_by(token_of(invite(collection=collection, user=mei, by=None)))
    assert way_in(made, studio) == f"{settings.EARMARK.label_studio_public_url}/user/signup/?token=invite-0"
    assert not accept(made, studio)
    assert accounts_of(collection)[0].is_invited
    studio.users[3] = "mei@example.org"
    assert accept(made, studio)
    assert studio.renewed == 1, "who passes the token on passes on nothing"
    assert way_in(invited_by(token_of(made)), studio).endswith("/user/login/")
    assert accept(made, studio)
    assert studio.renewed == 1
    with pytest.raises(EarmarkError) as joined:
        invite(collection=collection, user=mei, by=None)
    assert joined.value.error_id == "annotation:invitation:joined"


def test_nothing_waits_for_who_has_not_joined_yet(collection: Collection, studio: FakeLabelStudio) -> None:
    made = invite(collection=collection, user=person("mei", collection), by=None)
    row, _ = request_round(collection=collection, budget_seconds=12.0, audit_share=0.0, seed=1, by=None)
    open_round(TestContext(), round_id=row.pk)
    assert set(row.passes.values_list("routing", flat=True)) == {Pass.Routing.OPEN}
    Job.objects.all().delete()
    studio.users[3] = "mei@example.org"
    assert accept(made, studio)
    assert Job.objects.get(kind="annotation.reroute").arguments == {"round_id": row.pk}
    reroute_round(TestContext(), round_id=row.pk)
    assert set(row.passes.values_list("annotator", flat=True)) == {made.annotator_id}
    again = invite(collection=collection, user=person("lin", collection), by=None)
    reroute_round(TestContext(), round_id=row.pk)
    assert not again.annotator.passes.exists()


def test_who_is_given_an_account_by_hand_is_given_clips(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    row, _ = request_round(collection=collection, budget_seconds=12.0, audit_share=0.0, seed=1, by=None)
    open_round(TestContext(), round_id=row.pk)
    bo = person("bo", collection)
    invite(collection=collection, user=bo, by=None)
    Job.objects.all().delete()
    for _time in range(2):
        map_by_hand(collection=collection, user=bo, address="bo@example.org", emails=studio.users, by=None)
    assert Job.objects.get(kind="annotation.reroute").arguments == {"round_id": row.pk}


def test_the_token_is_kept_while_somebody_else_may_be_signing_up(
    collection: Collection, studio: FakeLabelStudio
) -> None:
    first, second = (
        invite(collection=collection, user=person(name, collection), by=None) for name in ("mei", "lin")
    )
    for one in (first, second):
        way_in(one, studio)
    studio.users[3] = "mei@example.org"
    assert accept(first, studio)
    assert studio.renewed == 0
    Invitation.objects.filter(pk=second.pk).update(opened_at=timezone.now() - timedelta(hours=2))
    studio.users[4] = "lin@example.org"
    assert map_accounts(collection, studio) == 1, "a sync notices it as well"
    assert studio.renewed == 1
    second.refresh_from_db()
    assert second.accepted_at is not None


def test_whose_address_has_an_account_signs_in(collection: Collection, studio: FakeLabelStudio) -> None:
    made = invite(collection=collection, user=person("anna", collection), by=None)
    assert way_in(made, studio).endswith("/user/login/")
    made.refresh_from_db()
    assert made.opened_at is None
    assert "invitation" not in studio.calls


def error_of(token: str) -> str:
    with pytest.raises(EarmarkError) as caught:
        invited_by(token)
    return caught.value.error_id


def test_only_the_newest_link_of_an_active_person_opens_anything(collection: Collection) -> None:
    mei = person("mei", collection)
    first = invite(collection=collection, user=mei, by=None)
    second = invite(collection=collection, user=mei, by=None)
    assert error_of(token_of(first)) == "annotation:invitation:unknown"
    good = token_of(second)
    for forged in (f"{second.pk}", f"{second.pk + 1}.{good.partition('.')[2]}", good[:-1], "x", "."):
        assert error_of(forged) == "annotation:invitation:unknown"
    Invitation.objects.filter(pk=second.pk).update(expires_at=timezone.now())
    assert error_of(good) == "annotation:invitation:expired"
    Invitation.objects.filter(pk=second.pk).update(expires_at=timezone.now() + timedelta(days=1))
    User.objects.filter(pk=mei.pk).update(is_active=False)
    assert error_of(good) == "annotation:invitation:unknown"


def test_only_who_may_label_is_invited(collection: Collection) -> None:
    viewer = person("viewer", collection, role=Role.VIEWER)
    with pytest.raises(EarmarkError) as caught:
        invite(collection=collection, user=viewer, by=None)
    assert caught.value.error_id == "annotation:invitation:role"


def test_the_page_of_an_invitation(client: Client, collection: Collection, studio: FakeLabelStudio) -> None:
    made = invite(collection=collection, user=person("mei", collection), by=None)
    page = f"/join/{token_of(made)}/"
    shown = client.get(page)
    assert "mei@example.org" in shown.content.decode()
    assert shown.headers["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    assert studio.calls == [], "looking at the page asks nobody"
    assert client.get(f"{page}go/").headers["Location"].endswith("/user/signup/?token=invite-0")
    assert "no account of that address yet" in client.post(page).content.decode()
    studio.users[3] = "mei@example.org"
    assert "You are in" in client.post(page).content.decode()
    assert client.get("/join/7.nonsense/").status_code == 404
    assert client.get("/join/7.nonsense/go/").status_code == 404
    studio.failing.append("emails")
    answer = client.get(f"{page}go/")
    assert answer.headers["Location"].endswith("/user/login/"), "who has joined needs no look"


def test_label_studio_being_away_is_told(
    client: Client, collection: Collection, studio: FakeLabelStudio
) -> None:
    page = f"/join/{token_of(invite(collection=collection, user=person('mei', collection), by=None))}/"
    studio.failing += ["emails", "emails"]
    assert client.get(f"{page}go/").status_code == 503
    assert "annotation:label-studio:unreachable" in client.post(page).content.decode()
