"""The limit on wrong passwords, one for every door: refusals are in the audit log, and are counted there."""

from datetime import timedelta

from django.utils import timezone

from earmark.accounts.models import AuditEntry
from earmark.accounts.services import audit

REFUSED = "sign-in refused"
TRIES = 8
WITHIN = timedelta(minutes=10)


def subject_of(username: str, address: str) -> str:
    """What refused sign-ins are counted by: the name tried and the peer that tried it."""
    return f"sign-in:{username.casefold()[:60]}@{address}"[:120]


def is_barred(username: str, address: str) -> bool:
    """Whether this peer gave TRIES wrong passwords for this name WITHIN the last minutes."""
    recent = AuditEntry.objects.filter(
        subject=subject_of(username, address), verb=REFUSED, at__gte=timezone.now() - WITHIN
    )
    return recent.count() >= TRIES


def record_refusal(username: str, address: str) -> None:
    """Remember a wrong password."""
    audit(None, REFUSED, subject_of(username, address))
