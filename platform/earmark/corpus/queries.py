"""Which clips are worth hearing, asking about and training on, said once."""

from django.db.models import Q

from earmark.corpus.models import Unfit


def current(prefix: str = "") -> Q:
    """Clips of the newest cutting of their recording; `prefix` leads to the clip, as in `clip__`."""
    return Q(**{f"{prefix}is_current": True})


def usable(prefix: str = "") -> Q:
    """Current clips that the gate, or a person over it, found fit: the only ones work is chosen from."""
    return current(prefix) & Q(**{f"{prefix}is_fit": True})


def shared_sound() -> Q:
    """Clips set aside because another clip, perhaps of another side, has their sound: no snapshot takes them.

    A copy that was unfit for another reason as well is one of them.
    """
    return Q(is_fit=False) & (Q(unfit__in=(Unfit.DUPLICATE, Unfit.TORN)) | Q(duplicate_of__isnull=False))
