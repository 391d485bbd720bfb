"""Writes: collections and who belongs to them."""

from django.db import transaction

from earmark.accounts.models import Role, User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection, Membership


@transaction.atomic
def create_collection(*, slug: str, name: str, by: User | None) -> Collection:
    """Make a collection; whoever makes it is its admin. Raises ValidationError for a bad or taken `slug`."""
    collection = Collection(slug=slug, name=name)
    collection.full_clean()
    collection.save()
    if by is not None:
        add_member(collection=collection, user=by, role=Role.ADMIN, by=by)
    audit(by, "create collection", f"collection {slug}")
    return collection


@transaction.atomic
def add_member(*, collection: Collection, user: User, role: Role, by: User | None = None) -> Membership:
    """Give the person that role in the collection, in place of the one they had."""
    membership, _ = Membership.objects.update_or_create(
        collection=collection, user=user, defaults={"role": role}
    )
    audit(by, "set role", f"collection {collection.slug}", person=user.username, role=role)
    return membership


@transaction.atomic
def remove_member(*, collection: Collection, user: User, by: User | None) -> None:
    """Take the person out of the collection; nothing happens when they are not in it."""
    removed, _ = Membership.objects.filter(collection=collection, user=user).delete()
    if removed:
        audit(by, "remove member", f"collection {collection.slug}", person=user.username)
