import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from earmark.accounts.models import AuditEntry, Role, User
from earmark.corpus.admin import ShortCount
from earmark.corpus.models import Clip, Membership, Recording, Reference, Speaker
from earmark.corpus.references import set_reference
from tests.corpus import world
from tests.speech.audio_files import write

pytestmark = pytest.mark.django_db

OURS = [model for model in admin.site._registry if model._meta.app_label == "corpus"]
KEPT = [Clip, Recording, Reference, Speaker]


@pytest.fixture
def boss(client: Client) -> User:
    one = User.objects.create_superuser("boss", "boss@example.org", "x")
    client.force_login(one)
    return one


@pytest.fixture
def corpus(tmp_path) -> Clip:
    write(tmp_path / "in" / "a.wav", 0.5)
    world.bring_in(world.collection(), tmp_path / "in")
    clip = Clip.objects.get()
    set_reference(clip_id=clip.pk, text="one", kind="imported", author="boss")
    Speaker.objects.create(collection=clip.collection, name="anna", split="train")
    Membership.objects.create(
        collection=clip.collection, user=User.objects.create_user("ben", "ben@x.org"), role=Role.VIEWER
    )
    return clip


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_each_list_opens_in_few_queries_and_searches(
    client: Client, boss: User, corpus: Clip, model, django_assert_max_num_queries
) -> None:
    address = reverse(f"admin:corpus_{model._meta.model_name}_changelist")
    with django_assert_max_num_queries(12):
        assert client.get(address).status_code == 200
    for term in ("1", "a" * 64, "x y", "9" * 30):
        assert client.get(address, {"q": term}).status_code == 200
    one = model.objects.first()
    assert (
        client.get(reverse(f"admin:corpus_{model._meta.model_name}_change", args=[one.pk])).status_code == 200
    )


def test_rows_are_found_by_number_hash_and_beginning(client: Client, boss: User, corpus: Clip) -> None:
    def found(name: str, term: str) -> int:
        answer = client.get(reverse(f"admin:corpus_{name}_changelist"), {"q": term})
        return int(answer.context["cl"].result_count)

    assert found("clip", str(corpus.pk)) == found("clip", corpus.recording.sha256.upper()) == 1
    assert found("clip", str(corpus.pk + 1)) == found("clip", "anything") == found("clip", "b" * 64) == 0
    assert found("recording", "a.w") == found("recording", corpus.recording.sha256) == 1
    assert found("recording", ".wav") == 0
    assert found("reference", str(corpus.pk)) == found("speaker", "anna") == 1
    assert (
        found("importfile", "a.wav")
        == found("importfile", str(corpus.recording.importfile_set.get().of_id))
        == 1
    )


def test_every_model_of_the_corpus_is_there() -> None:
    assert len(OURS) == 9


@pytest.mark.parametrize("model", KEPT, ids=lambda model: model.__name__)
def test_what_the_platform_wrote_cannot_be_changed_or_deleted(
    client: Client, boss: User, corpus: Clip, model
) -> None:
    name, one = model._meta.model_name, model.objects.first()
    assert (
        client.post(reverse(f"admin:corpus_{name}_change", args=[one.pk]), {"text": "x"}).status_code == 403
    )
    assert (
        client.post(reverse(f"admin:corpus_{name}_delete", args=[one.pk]), {"post": "yes"}).status_code == 403
    )
    assert client.get(reverse(f"admin:corpus_{name}_add")).status_code == 403


def test_a_role_given_in_the_administration_is_on_record(client: Client, boss: User, corpus: Clip) -> None:
    member = Membership.objects.get()
    address = reverse("admin:corpus_membership_change", args=[member.pk])
    assert client.post(address, {"role": Role.MANAGER}).status_code == 302
    member.refresh_from_db()
    assert member.role == Role.MANAGER
    assert AuditEntry.objects.filter(verb="set role", actor=boss, details__role="manager").exists()
    client.post(reverse("admin:corpus_membership_delete", args=[member.pk]), {"post": "yes"})
    assert AuditEntry.objects.filter(verb="remove member", actor=boss, details__person="ben").exists()


def test_a_role_given_beside_the_collection_is_on_record(client: Client, boss: User, corpus: Clip) -> None:
    member = Membership.objects.get()
    form = {
        "name": "Voices",
        "slug": "voices",
        "description": "",
        "memberships-TOTAL_FORMS": 2,
        "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": member.pk,
        "memberships-0-collection": member.collection_id,
        "memberships-0-user": member.user_id,
        "memberships-0-DELETE": "on",
        "memberships-1-collection": member.collection_id,
        "memberships-1-user": boss.pk,
        "memberships-1-role": Role.REVIEWER,
    }
    address = reverse("admin:corpus_collection_change", args=[member.collection_id])
    assert client.post(address, form).status_code == 302
    assert [(one.user, one.role) for one in Membership.objects.all()] == [(boss, Role.REVIEWER)]
    assert set(AuditEntry.objects.filter(actor=boss).values_list("verb", "details__person")) == {
        ("remove member", "ben"),
        ("set role", "boss"),
    }


def test_a_count_stops_where_nobody_pages_to(corpus: Clip, monkeypatch) -> None:
    monkeypatch.setattr("earmark.corpus.admin.MOST_COUNTED", 1)
    world.clip(corpus.collection, recording=world.recording(corpus.collection))
    assert Clip.objects.count() == 2
    assert ShortCount(Clip.objects.order_by("pk"), 50).count == 1
