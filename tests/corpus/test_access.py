import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, ValidationError

from earmark.accounts.models import AuditEntry, Role, User
from earmark.corpus.access import can, require, role_of, visible_collections
from earmark.corpus.models import Collection, Membership
from earmark.corpus.services import add_member, create_collection, remove_member

pytestmark = pytest.mark.django_db


def person(name: str, **fields: object) -> User:
    return User.objects.create_user(name, f"{name}@example.org", "x", **fields)


@pytest.mark.parametrize("held", list(Role))
@pytest.mark.parametrize("needed", list(Role))
def test_a_role_may_do_what_the_ones_before_it_may(held: Role, needed: Role) -> None:
    one, anna = create_collection(slug="one", name="One", by=None), person("anna")
    add_member(collection=one, user=anna, role=held)
    allowed = list(Role).index(held) >= list(Role).index(needed)
    assert can(anna, one, needed) is allowed
    if allowed:
        require(anna, one, needed)
    else:
        with pytest.raises(PermissionDenied):
            require(anna, one, needed)


def test_membership_ends_at_the_collection() -> None:
    mine, other = (create_collection(slug=slug, name=slug, by=None) for slug in ("mine", "other"))
    anna = person("anna")
    add_member(collection=mine, user=anna, role=Role.ADMIN)
    assert role_of(anna, other) is None
    assert not can(anna, other, Role.VIEWER)
    assert list(visible_collections(anna)) == [mine]


def test_superusers_are_admins_everywhere_and_the_inactive_nobody() -> None:
    one = create_collection(slug="one", name="One", by=None)
    root, gone = person("root", is_superuser=True), person("gone", is_superuser=True, is_active=False)
    assert role_of(root, one) == Role.ADMIN
    assert list(visible_collections(root)) == [one]
    for nobody in (gone, AnonymousUser()):
        assert role_of(nobody, one) is None
        assert not visible_collections(nobody).exists()


def test_whoever_makes_a_collection_is_its_admin_and_it_is_on_record() -> None:
    anna = person("anna")
    one = create_collection(slug="one", name="One", by=anna)
    assert role_of(anna, one) == Role.ADMIN
    assert set(AuditEntry.objects.values_list("verb", "actor")) == {
        ("create collection", anna.pk),
        ("set role", anna.pk),
    }


@pytest.mark.parametrize("slug", ["", "two words", "é", "one"])
def test_a_bad_or_taken_short_name_is_refused(slug: str) -> None:
    create_collection(slug="one", name="One", by=None)
    with pytest.raises(ValidationError):
        create_collection(slug=slug, name="Again", by=None)
    assert Collection.objects.count() == 1


def test_a_role_is_changed_and_taken_with_a_record() -> None:
    one, anna, boss = create_collection(slug="one", name="One", by=None), person("anna"), person("boss")
    add_member(collection=one, user=anna, role=Role.VIEWER, by=boss)
    add_member(collection=one, user=anna, role=Role.REVIEWER, by=boss)
    assert Membership.objects.get().role == Role.REVIEWER
    remove_member(collection=one, user=anna, by=boss)
    remove_member(collection=one, user=anna, by=boss)
    assert role_of(anna, one) is None
    assert AuditEntry.objects.filter(verb="remove member", actor=boss).count() == 1
