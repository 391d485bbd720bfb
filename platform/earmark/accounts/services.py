"""Writes: people and the audit log."""

from typing import Any

from earmark.accounts.models import AuditEntry, User


def ensure_admin(username: str, password: str) -> bool:
    """Create the administrator `username` unless there is one; True when created."""
    user, created = User.objects.get_or_create(
        username=username,
        defaults={"email": f"{username}@earmark.local", "is_staff": True, "is_superuser": True},
    )
    if created:
        user.set_password(password)
        user.save(update_fields=["password"])
    return created


def ensure_person(*, username: str, email: str, password: str) -> User:
    """Create the person `username` unless there is one; an existing person keeps their password."""
    user, created = User.objects.get_or_create(username=username, defaults={"email": email})
    if created:
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def audit(actor: User | None, verb: str, subject: str, **details: Any) -> None:
    """Add a line to the audit log; `actor` is None for the platform itself."""
    AuditEntry.objects.create(actor=actor, verb=verb, subject=subject, details=details)
