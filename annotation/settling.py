"""Writes: what follows from answers to a clip of a round. Its passes, its outcome, its reference, the clip's state."""

from collections.abc import Sequence

from django.db.models import Max

from annotation.answers import decided
from annotation.measuring import votes_of
from annotation.models import Annotation, Round, RoundClip
from annotation.review_models import Decision
from annotation.routing_models import Pass
from earmark.corpus.models import Clip
from earmark.corpus.references import set_reference

Outcome = RoundClip.Outcome
MOST_AGAIN = 3
"""How many passes beyond those wanted are added because one person answered several."""


def settle(one: RoundClip, clip: Clip, *, is_closing: bool = False) -> None:
    """Draw the consequences of the answers to `one`, whose `clip` the caller has locked.

    Until as many people as `wanted` have answered the clip waits; when its round ends, what has come decides. What a
    reviewer decided stays, whatever is answered later. Of a clip whose answer is known only the outcome is noted: its
    answers measure people, and change neither the clip nor its reference.
    """
    submissions = list(
        one.annotations.filter(deleted_at=None).select_related("of_pass").order_by("updated_at", "pk")
    )
    counting = [each for each in submissions if not is_given_back(each)]
    is_over = is_closing or one.round.status == Round.Status.CLOSED
    _settle_passes(one, counting, is_over=is_over)
    if is_decided(one):
        return
    people = len({each.annotator for each in counting})
    wanted = min(one.wanted, max(people, 1)) if is_over else one.wanted
    votes = votes_of(one.round.collection_id) if wanted > 1 else None
    found = decided(counting, wanted=wanted, language=clip.language, votes=votes)
    if found is None:
        if one.outcome == Outcome.ADJUDICATE:
            _save_outcome(one, Outcome.WAITING)
        return
    if one.reason != RoundClip.Reason.KNOWN:
        if found.outcome == Outcome.LABELLED:
            set_reference(clip_id=clip.pk, text=found.text, kind=found.kind, author=found.author)
        if found.outcome != Outcome.ADJUDICATE and may_set_state(one, clip, found.outcome):
            clip.state = Clip.State(found.outcome.value)
            clip.save(update_fields=["state"])
    _save_outcome(one, found.outcome)


def is_given_back(answer: Annotation) -> bool:
    """Whether a reviewer returned the answer and it has not been changed since."""
    returned = answer.of_pass.returned_at if answer.of_pass else None
    return returned is not None and answer.updated_at <= returned


def is_decided(one: RoundClip) -> bool:
    """Whether a reviewer's decision holds over what annotators answered."""
    newest = one.decisions.order_by("-pk").first()
    return newest is not None and newest.kind != Decision.Kind.RETURN


def _save_outcome(one: RoundClip, outcome: Outcome) -> None:
    if one.outcome != outcome:
        one.outcome = outcome
        one.save(update_fields=["outcome"])


def _settle_passes(one: RoundClip, counting: Sequence[Annotation], *, is_over: bool) -> None:
    """Passes that were answered are done; one whose answer was deleted while the clip waits is asked again."""
    answered: dict[int | None, Annotation] = {each.of_pass_id: each for each in counting}
    passes = list(one.passes.all())
    for each in passes:
        given = answered.get(each.pk)
        if given is not None and (each.status != Pass.Status.DONE or each.done_at != given.updated_at):
            each.status, each.done_at = Pass.Status.DONE, given.updated_at
        elif given is None and each.status == Pass.Status.DONE and _is_open(one) and not is_over:
            each.status, each.done_at = Pass.Status.WAITING, None
        else:
            continue
        each.save(update_fields=["status", "done_at"])
    if not is_over:
        _ask_another(one, passes, counting)


def _ask_another(one: RoundClip, passes: Sequence[Pass], counting: Sequence[Annotation]) -> None:
    """A further pass where all are done and one person gave several of the answers: they count once."""
    people = len({each.annotator for each in counting})
    waits = any(each.status == Pass.Status.WAITING for each in passes)
    if waits or people >= one.wanted or len(passes) >= one.wanted + MOST_AGAIN or not counting:
        return
    is_assigned = any(each.routing != Pass.Routing.OPEN for each in passes)
    last = one.passes.aggregate(last=Max("number"))["last"] or 0
    Pass.objects.create(
        round_id=one.round_id,
        round_clip=one,
        number=last + 1,
        is_blind=passes[-1].is_blind,
        routing=Pass.Routing.STUCK if is_assigned else Pass.Routing.OPEN,
        stuck_because=Pass.Because.PEOPLE if is_assigned else "",
        place=max(each.place for each in passes),
    )


def _is_open(one: RoundClip) -> bool:
    return one.outcome in (Outcome.WAITING, Outcome.ADJUDICATE)


def may_set_state(one: RoundClip, clip: Clip, outcome: Outcome) -> bool:
    """Whether the round still speaks for the clip.

    It does while it is open, and a label always counts. A skip that arrives after the round is closed must not
    take the clip out of a later round.
    """
    if one.round.status != Round.Status.CLOSED or outcome == Outcome.LABELLED:
        return True
    return clip.state == Clip.State.HEARD or clip.state == one.outcome


def withdraw_passes(row: Round) -> None:
    """Ask nothing more of anybody in the round."""
    row.passes.filter(status=Pass.Status.WAITING).update(status=Pass.Status.WITHDRAWN)


def settle_what_came(row: Round) -> None:
    """When the round ends: let the answers to clips of which fewer came than were wanted decide."""
    partly = row.clips.filter(
        outcome=Outcome.WAITING, annotations__deleted_at=None, annotations__isnull=False
    )
    for one in partly.select_related("round").distinct():
        clip = Clip.objects.select_for_update(no_key=True).get(pk=one.clip_id)
        settle(one, clip, is_closing=True)
