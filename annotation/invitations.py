"""Invitations: a personal link of ours that leads to Label Studio's sign-up, and nowhere else.

What it hands on is Label Studio's own token for sign-ups, never a key of ours. Once somebody has signed up with it, it
is renewed: who passes it on passes on nothing.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.accounts_mapping import map_accounts
from annotation.label_studio import LabelStudio
from annotation.review_models import Invitation
from annotation.routing_models import Annotator
from earmark.accounts.models import Role, User
from earmark.accounts.services import audit
from earmark.corpus.access import can
from earmark.corpus.models import Collection
from earmark.speech.errors import EarmarkError

LIFETIME = timedelta(days=14)

_signer = Signer(salt="annotation.invitation", sep=".")


def invite(*, collection: Collection, user: User, by: User | None) -> Invitation:
    """Make a link for `user`; those made for them before open nothing any more.

    Raises EarmarkError `annotation:invitation:role` for somebody who labels nothing here, and
    `annotation:invitation:joined` for somebody who has an account.
    """
    if not can(user, collection, Role.ANNOTATOR):
        raise EarmarkError(
            "annotation:invitation:role",
            _("%(name)s may not label in this collection.") % {"name": user.get_username()},
            _("Give them the role of an annotator first."),
        )
    with transaction.atomic():
        annotator, _new = Annotator.objects.get_or_create(collection=collection, user=user)
        if annotator.studio_user is not None:
            raise EarmarkError(
                "annotation:invitation:joined",
                _("%(name)s has an account in Label Studio: %(address)s.")
                % {"name": user.get_username(), "address": annotator.studio_email},
                _("They sign in there; nothing is to be done."),
            )
        withdraw(annotator)
        made = Invitation.objects.create(
            annotator=annotator, made_by=by, expires_at=timezone.now() + LIFETIME
        )
        audit(by, "invite", collection.scope, person=user.get_username(), invitation=made.pk)
    return made


def withdraw(annotator: Annotator) -> None:
    """Let the open invitations of the annotator open nothing any more."""
    waiting = annotator.invitations.filter(accepted_at=None, withdrawn_at=None)
    waiting.update(withdrawn_at=timezone.now())


def token_of(invitation: Invitation) -> str:
    """What stands in its address."""
    return _signer.sign(str(invitation.pk))


def invited_by(token: str) -> Invitation:
    """The invitation that `token` opens, accepted or not.

    Raises EarmarkError `annotation:invitation:unknown` for one that was withdrawn or never made, `:expired`.
    """
    rows = Invitation.objects.select_related("annotator__user", "annotator__collection")
    try:
        found = rows.filter(pk=int(_signer.unsign(token)), withdrawn_at=None).first()
    except (BadSignature, ValueError):
        found = None
    if found is None or not found.annotator.user.is_active:
        raise EarmarkError(
            "annotation:invitation:unknown",
            _("This link opens nothing, or not any more."),
            _("Ask who invited you for a new one."),
        )
    if found.accepted_at is None and found.expires_at < timezone.now():
        raise EarmarkError(
            "annotation:invitation:expired",
            _("This link has expired."),
            _("Ask who invited you for a new one."),
        )
    return found


def way_in(invitation: Invitation, studio: LabelStudio) -> str:
    """Where in Label Studio the invited person goes: to sign up, or to sign in where their address has an account."""
    public = settings.EARMARK.label_studio_public_url
    if invitation.accepted_at is not None or _has_account(invitation.annotator, studio.emails().values()):
        return f"{public}/user/login/"
    Invitation.objects.filter(pk=invitation.pk, opened_at=None).update(opened_at=timezone.now())
    return f"{public}/user/signup/?token={studio.invitation()}"


def accept(invitation: Invitation, studio: LabelStudio) -> bool:
    """Look whether the invited person has signed up; whether they have."""
    if invitation.accepted_at is None:
        map_accounts(invitation.annotator.collection, studio)
        invitation.refresh_from_db()
    return invitation.accepted_at is not None


def _has_account(annotator: Annotator, addresses: Iterable[str]) -> bool:
    own = (annotator.studio_email or annotator.user.email).casefold()
    return own in {one.casefold() for one in addresses}
