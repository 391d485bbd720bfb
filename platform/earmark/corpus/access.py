"""Who may do what in which collection."""

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from earmark.accounts.models import Role, User
from earmark.corpus.models import Collection, Membership


def role_of(user: User | AnonymousUser, collection: Collection) -> Role | None:
    """The person's role in the collection: superusers are admins everywhere, inactive people are nobody."""
    if not user.is_authenticated or not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMIN
    role = Membership.objects.filter(user=user, collection=collection).values_list("role", flat=True).first()
    return Role(role) if role else None


def can(user: User | AnonymousUser, collection: Collection, needed: Role) -> bool:
    """Whether the person may do what `needed` may."""
    role = role_of(user, collection)
    return role is not None and role.covers(needed)


def require(user: User | AnonymousUser, collection: Collection, needed: Role) -> None:
    """Raise PermissionDenied unless the person may do what `needed` may."""
    if not can(user, collection, needed):
        raise PermissionDenied(
            _("Only a person with the role %(role)s may do this.") % {"role": needed.label}
        )


def visible_collections(user: User | AnonymousUser) -> QuerySet[Collection]:
    """The collections the person has any role in."""
    if not user.is_authenticated or not user.is_active:
        return Collection.objects.none()
    if user.is_superuser:
        return Collection.objects.all()
    return Collection.objects.filter(memberships__user=user)
