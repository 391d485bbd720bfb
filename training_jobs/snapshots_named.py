"""Which snapshot somebody means."""

from django.utils.translation import gettext as _

from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import test_set
from earmark.speech.errors import EarmarkError


def snapshot_named(collection: Collection, digest: str | None) -> Snapshot:
    """The snapshot of `collection` whose digest begins with `digest`; its frozen test set when none is named.

    Raises EarmarkError `evaluation:test-set:missing` or `datasets:snapshot:unknown`.
    """
    if not digest:
        frozen = test_set(collection)
        if frozen is None:
            raise EarmarkError(
                "evaluation:test-set:missing",
                _("Collection {slug} has no frozen test set.").format(slug=collection.slug),
                _("Freeze it with `earmark snapshot --test`, or on the page of snapshots."),
            )
        return frozen
    found = list(collection.snapshots.filter(digest__startswith=digest)[:2])
    if len(found) != 1:
        raise EarmarkError(
            "datasets:snapshot:unknown",
            _("{digest} begins the digest of no snapshot of {slug}, or of several.").format(
                digest=repr(digest), slug=collection.slug
            ),
            _("Give more characters of the digest."),
        )
    return found[0]
