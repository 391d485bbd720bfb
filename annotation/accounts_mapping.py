"""Which account of Label Studio is whose: by address, refreshed with every sync, or told by a manager."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.label_studio import LabelStudio
from annotation.models import Annotation
from annotation.rerouting import start_rerouting
from annotation.review_models import Invitation
from annotation.routing_models import Annotator
from earmark.accounts.models import Role, User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.speech.errors import EarmarkError


@dataclass(frozen=True)
class Account:
    """A member who may label: their account in Label Studio if they have one, and their newest invitation."""

    membership_id: int
    user: User
    annotator: Annotator | None
    invitation: Invitation | None

    @property
    def is_invited(self) -> bool:
        """Whether a link waits for them."""
        made = self.invitation
        return made is not None and made.accepted_at is None and made.expires_at > timezone.now()


SIGNING_UP = timedelta(hours=1)
"""For so long after a link was opened somebody may still be filling in Label Studio's form."""


@dataclass(frozen=True)
class Submitter:
    """An address that submissions came from and that belongs to nobody here yet."""

    address: str
    submitted: int


def map_accounts_if_due(collection: Collection, studio: LabelStudio) -> int:
    """Map the accounts of `collection` where somebody has none yet; how many changed."""
    if not collection.annotators.filter(Q(studio_user=None) | Q(studio_email="")).exists():
        return 0
    return map_accounts(collection, studio)


def map_accounts(collection: Collection, studio: LabelStudio) -> int:
    """Give each annotator the account that has their address; returns how many changed.

    An account keeps its person when its address changes, and is let go when it is no longer there. One that belongs to
    somebody in the collection is not given to another. Open invitations of whoever has an account are accepted by that,
    and Label Studio's token for sign-ups is renewed then, unless somebody else may be signing up with it just now.
    """
    changed = _map(collection, studio.emails())
    joined = collection.annotators.exclude(studio_user=None)
    waiting = Invitation.objects.filter(accepted_at=None, withdrawn_at=None)
    accepted = waiting.filter(annotator__in=joined).update(accepted_at=timezone.now())
    if accepted:
        start_rerouting(collection=collection)
    if accepted and not waiting.filter(opened_at__gte=timezone.now() - SIGNING_UP).exists():
        studio.renew_invitation()
    return changed


def _map(collection: Collection, emails: Mapping[int, str]) -> int:
    by_address = {address.casefold(): user for user, address in emails.items()}
    changed = 0
    with transaction.atomic():
        rows = list(collection.annotators.select_for_update(of=("self",)).select_related("user"))
        taken = {one.studio_user for one in rows if one.studio_user in emails}
        for one in rows:
            account = one.studio_user if one.studio_user in emails else None
            if account is None:
                address = (one.studio_email or one.user.email).casefold()
                found = by_address.get(address) if address else None
                account = None if found in taken else found
            address = emails[account] if account is not None else one.studio_email
            if (account, address) == (one.studio_user, one.studio_email):
                continue
            one.studio_user, one.studio_email = account, address
            one.save(update_fields=["studio_user", "studio_email"])
            taken.add(account)
            changed += 1
    return changed


def accounts_of(collection: Collection) -> list[Account]:
    """Everybody who may label in the collection, by name, with their account in Label Studio. Three queries."""
    annotators = {one.user_id: one for one in Annotator.objects.filter(collection=collection)}
    invitations = Invitation.objects.filter(annotator__collection=collection, withdrawn_at=None).order_by(
        "pk"
    )
    newest = {one.annotator_id: one for one in invitations}
    members = collection.memberships.exclude(role=Role.VIEWER).select_related("user")
    found = []
    for member in members.order_by("user__username"):
        annotator = annotators.get(member.user_id)
        invitation = newest.get(annotator.pk) if annotator else None
        found.append(Account(member.pk, member.user, annotator, invitation))
    return found


def unmapped_submitters(collection: Collection) -> list[Submitter]:
    """Who sent something in without being anybody here, the busiest first. Two queries."""
    known = set()
    for user, address in collection.annotators.values_list("studio_user", "studio_email"):
        known |= {address.casefold(), f"user {user}"}
    rows = (
        Annotation.objects.filter(round_clip__round__collection=collection)
        .values_list("annotator")
        .annotate(submitted=Count("id"))
        .order_by("-submitted", "annotator")
    )
    return [Submitter(address, n) for address, n in rows if address and address.casefold() not in known]


def map_by_hand(
    *, collection: Collection, user: User, address: str, emails: Mapping[int, str], by: User | None
) -> Annotator:
    """Say that the account with `address` in Label Studio (or `user 7`, its number) is that of `user`.

    Raises EarmarkError `annotation:account:unknown` where Label Studio has no such account, `annotation:account:taken`
    where it is somebody else's.
    """
    account = _account(address, emails)
    if account is None:
        raise EarmarkError(
            "annotation:account:unknown",
            _("Label Studio has no account %(address)s.") % {"address": repr(address)},
            _("Take the address they sign in to Label Studio with."),
        )
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        holder = collection.annotators.filter(studio_user=account).exclude(user=user).first()
        if holder is not None:
            raise EarmarkError(
                "annotation:account:taken",
                _("The account %(address)s is that of %(name)s.")
                % {"address": repr(address), "name": holder.user.get_username()},
                _("Give them another account first."),
            )
        had_one = collection.annotators.filter(user=user).exclude(studio_user=None).exists()
        row, _new = Annotator.objects.update_or_create(
            collection=collection,
            user=user,
            defaults={"studio_user": account, "studio_email": emails.get(account, "")},
        )
        audit(
            by, "map account", collection.scope, person=user.get_username(), account=account,
            address=emails.get(account, ""),
        )  # fmt: skip
        if not had_one:
            start_rerouting(collection=collection)
    return row


def _account(address: str, emails: Mapping[int, str]) -> int | None:
    for user, known in emails.items():
        if known.casefold() == address.strip().casefold():
            return user
    number = address.strip().removeprefix("user ")
    return int(number) if address.startswith("user ") and number.isdecimal() and len(number) < 10 else None
