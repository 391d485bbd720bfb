"""Writes: what a reviewer or adjudicator decides about a clip, and what follows from it.

A decision is never edited: the newest holds, over whatever annotators submit later. One made on sight of answers that
have changed meanwhile is refused: it says which answers it saw by their version.
"""

from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotation.models import Annotation, Round, RoundClip
from annotation.project import SILENCE
from annotation.review_models import Decision, ReviewRequest
from annotation.routing_models import Pass
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.accounts.services import audit
from earmark.corpus.access import require
from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference, withdraw_reference
from earmark.speech.errors import EarmarkError

Kind = Decision.Kind
Outcome = RoundClip.Outcome

REASONS = {
    "missing_words": _("words are missing"),
    "extra_words": _("words nobody says"),
    "wrong_words": _("wrong words"),
    "spelling": _("spelling"),
    "format": _("numbers, punctuation or spacing"),
    "wrong_quality": _("wrong quality choice"),
    "not_listened": _("not listened to the end"),
    "other": _("something else"),
}
"""Why an answer goes back to its annotator, in their words."""
BY_PEOPLE = (Reference.Kind.ANNOTATOR, Reference.Kind.CONSENSUS, Reference.Kind.ADJUDICATED)


def version_of(round_clip_id: int) -> str:
    """What is known of a clip of a round: another text as soon as someone answers, edits, deletes or decides."""
    told = RoundClip.objects.filter(pk=round_clip_id).aggregate(
        answer=Max("annotations__pk"),
        touched=Max("annotations__updated_at"),
        gone=Count("annotations", filter=Q(annotations__deleted_at__isnull=False), distinct=True),
        decision=Max("decisions__pk"),
    )
    touched = int(told["touched"].timestamp() * 1000) if told["touched"] else 0
    return f"{told['decision'] or 0}-{told['answer'] or 0}-{touched}-{told['gone']}"


def standing(round_clip_id: int) -> Decision | None:
    """The decision that holds for a clip of a round: what annotators submit does not change its text.

    None where nobody has decided, and where the clip was given back to its annotator.
    """
    newest = Decision.objects.filter(round_clip=round_clip_id).order_by("-pk").first()
    return None if newest is None or newest.kind == Kind.RETURN else newest


@transaction.atomic
def decide(
    *,
    round_clip: RoundClip,
    kind: str,
    expected: str,
    by: User,
    annotation: Annotation | None = None,
    text: str | None = None,
    reason_code: str = "",
    note: str = "",
    client_seconds: float | None = None,
    server_seconds: float | None = None,
) -> Decision:
    """Write a decision and let it count.

    `kind`: `accept` (the text of `annotation`, or the one that holds now when None), `correct` (`text`, empty where
    nothing is spoken), `return` (`annotation` goes back to who wrote it, with one of REASONS and a note),
    `unintelligible`. `expected` is the `version_of` that was decided on. `client_seconds`: as the browser measured,
    idling left out; `server_seconds`: from showing to deciding. Raises PermissionDenied below a reviewer's role;
    EarmarkError `annotation:decision:stale`, `:kind`, `:known`, `:text`, `:reason`, `:nothing-to-accept`,
    `:nothing-to-return`, `:round-closed`.
    """
    collection = round_clip.round.collection
    require(by, collection, Role.REVIEWER)
    clip = Clip.objects.select_for_update(no_key=True).get(pk=round_clip.clip_id)
    row = RoundClip.objects.select_related("round").get(pk=round_clip.pk)
    _check(row, kind, expected, annotation)
    match kind:
        case Kind.ACCEPT:
            text = _accepted(row, annotation)
        case Kind.CORRECT if text is None:
            raise EarmarkError(
                "annotation:decision:text",
                "A correction needs a text.",
                "Send the text, empty where nothing is spoken.",
            )
        case Kind.RETURN:
            annotation = _give_back(row, clip, annotation, reason_code, note)
            text = ""
        case Kind.UNINTELLIGIBLE:
            text = ""
    made = Decision.objects.create(
        round_clip=row,
        kind=kind,
        annotation=annotation or _only_answer(row),
        text=(text or "").strip(),
        reason_code=reason_code,
        note=note.strip(),
        client_seconds=client_seconds,
        server_seconds=server_seconds,
        by=by,
    )
    if kind != Kind.RETURN:
        _let_count(row, clip, made)
    ReviewRequest.objects.filter(round_clip=row).update(settled_at=timezone.now())
    audit(by, "decide", collection.scope, clip=clip.pk, round=row.round.number, kind=kind, reason=reason_code)
    return made


def _check(row: RoundClip, kind: str, expected: str, annotation: Annotation | None) -> None:
    if kind not in Kind.values:
        raise EarmarkError(
            "annotation:decision:kind",
            f"{kind!r} is no decision.",
            f"Choose one of {', '.join(Kind.values)}.",
        )
    if row.reason == RoundClip.Reason.KNOWN:
        raise EarmarkError(
            "annotation:decision:known",
            f"The answer to clip {row.clip_id} is known: it was asked to measure people.",
            "Change its reference on the clip's page if it is wrong.",
        )
    held = version_of(row.pk)
    if held != expected:
        raise EarmarkError(
            "annotation:decision:stale",
            f"Clip {row.clip_id} has changed since it was shown ({expected} then, {held} now).",
            "Look at it again and decide anew.",
        )
    if annotation and (annotation.round_clip_id != row.pk or annotation.deleted_at):
        raise EarmarkError(
            "annotation:decision:nothing-to-accept",
            f"Annotation {annotation.pk} is not an answer to clip {row.clip_id} in this round.",
            "Choose one of the answers that are shown.",
        )


def _only_answer(row: RoundClip) -> Annotation | None:
    """The answer a decision is about where only one person gave any: it counts in their figures."""
    answers = list(row.annotations.filter(deleted_at=None).order_by("-updated_at", "-pk"))
    return answers[0] if len({one.annotator for one in answers}) == 1 else None


def _accepted(row: RoundClip, annotation: Annotation | None) -> str:
    """The text that is accepted."""
    if annotation is None:
        current = Reference.objects.filter(clip=row.clip_id, is_current=True).first()
        if current is None:
            raise EarmarkError(
                "annotation:decision:nothing-to-accept",
                f"Clip {row.clip_id} has no text yet.",
                "Choose an answer, or write the text yourself.",
            )
        return current.text
    if SILENCE in annotation.quality:
        return ""
    if annotation.was_skipped or not annotation.text:
        raise EarmarkError(
            "annotation:decision:nothing-to-accept",
            f"{annotation.annotator} gave no text for clip {row.clip_id}.",
            "Choose another answer, write the text yourself, or call the clip unintelligible.",
        )
    return annotation.text


def _give_back(row: RoundClip, clip: Clip, annotation: Annotation | None, code: str, note: str) -> Annotation:
    """Have the annotator's pass wait again; the text they wrote is held true no longer."""
    if code not in REASONS:
        raise EarmarkError(
            "annotation:decision:reason", f"{code!r} is no reason.", f"Choose one of {', '.join(REASONS)}."
        )
    if row.round.status == Round.Status.CLOSED:
        raise EarmarkError(
            "annotation:decision:round-closed",
            f"Round {row.round.number} is closed: its annotators are asked nothing more.",
            "Correct the text yourself.",
        )
    if annotation is None:
        found = row.annotations.filter(deleted_at=None, of_pass__isnull=False)
        annotation = found.order_by("-updated_at", "-pk").first()
    if annotation is None or annotation.of_pass_id is None:
        raise EarmarkError(
            "annotation:decision:nothing-to-return",
            f"No answer to clip {row.clip_id} belongs to a pass that can wait again.",
            "Correct the text yourself.",
        )
    Pass.objects.filter(pk=annotation.of_pass_id).update(
        status=Pass.Status.WAITING,
        returned_code=code,
        returned_note=note.strip(),
        returned_at=timezone.now(),
        done_at=None,
    )
    withdraw_reference(clip_id=clip.pk, kinds=BY_PEOPLE)
    _set(row, clip, Outcome.WAITING, Clip.State.IN_ROUND)
    return annotation


def _let_count(row: RoundClip, clip: Clip, made: Decision) -> None:
    """The reference, the outcome and the clip's state that a decision on a text brings."""
    if made.kind == Kind.UNINTELLIGIBLE:
        withdraw_reference(clip_id=clip.pk, kinds=BY_PEOPLE)
        _set(row, clip, Outcome.UNINTELLIGIBLE, Clip.State.UNINTELLIGIBLE)
        return
    set_reference(
        clip_id=clip.pk,
        text=made.text,
        kind=Reference.Kind.ADJUDICATED,
        author=made.by.email or made.by.username,
    )
    _set(row, clip, Outcome.LABELLED, Clip.State.LABELLED)


def _set(row: RoundClip, clip: Clip, outcome: RoundClip.Outcome, state: Clip.State) -> None:
    row.outcome, clip.state = outcome, state
    row.save(update_fields=["outcome"])
    clip.save(update_fields=["state"])


def told(decision: Decision) -> dict[str, Any]:
    """A decision as plain values."""
    return {
        "id": decision.pk,
        "kind": decision.kind,
        "text": decision.text,
        "annotation": decision.annotation_id,
        "reason_code": decision.reason_code,
        "note": decision.note,
        "by": decision.by.username,
        "at": decision.at,
    }
