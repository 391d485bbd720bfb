"""A decision counts at once, over what annotators say; one made on sight of something else is refused."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from annotation.deciding import REASONS, decide, standing, version_of
from annotation.models import Annotation, Round, RoundClip
from annotation.review_models import Decision, ReviewRequest
from annotation.routing_models import Pass
from earmark.accounts.models import AuditEntry
from earmark.accounts.roles import Role
from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference
from earmark.speech.errors import EarmarkError
from tests.annotation.answered import Answered

pytestmark = pytest.mark.django_db

Kind = Decision.Kind
Outcome = RoundClip.Outcome


@pytest.fixture
def world() -> Answered:
    return Answered()


def decided(world: Answered, row: RoundClip, kind: str, **fields: Any) -> Decision:
    by = world.person("rita", Role.REVIEWER)
    given = {"by": by, "expected": version_of(row.pk), **fields}
    return decide(round_clip=row, kind=kind, **given)


def held(row: RoundClip) -> tuple[str, str, str] | None:
    found = Reference.objects.filter(clip=row.clip_id, is_current=True).first()
    return (found.text, found.kind, found.author) if found else None


def stands(row: RoundClip) -> tuple[str, str]:
    return RoundClip.objects.get(pk=row.pk).outcome, Clip.objects.get(pk=row.clip_id).state


def test_an_accepted_answer_becomes_the_adjudicated_reference(world: Answered) -> None:
    row = world.asked(0)
    chosen = world.answer(row, "anna", "turn it on")
    world.answer(row, "bo", "turn it off")
    made = decided(world, row, Kind.ACCEPT, annotation=chosen, client_seconds=4.0, server_seconds=9.0)
    assert held(row) == ("turn it on", "adjudicated", "rita@example.org")
    assert stands(row) == ("labelled", "labelled")
    assert (made.annotation, made.client_seconds, made.server_seconds) == (chosen, 4.0, 9.0)
    entry = AuditEntry.objects.get(verb="decide")
    assert (entry.actor, entry.details["clip"], entry.details["kind"]) == (made.by, row.clip_id, "accept")


def test_nothing_spoken_is_accepted_as_the_empty_text(world: Answered) -> None:
    row = world.asked(0)
    decided(world, row, Kind.ACCEPT, annotation=world.answer(row, "anna", "left over", quality=["silence"]))
    assert held(row) == ("", "adjudicated", "rita@example.org")


def test_the_text_that_holds_is_accepted_where_no_answer_is_named(world: Answered) -> None:
    row = world.asked(0)
    world.answer(row, "anna", "turn it onn")
    set_reference(clip_id=row.clip_id, text="turn it on", kind="consensus", author="anna, bo, cy")
    decided(world, row, Kind.ACCEPT)
    assert held(row) == ("turn it on", "adjudicated", "rita@example.org")


def test_a_correction_settles_the_request_for_it(world: Answered) -> None:
    row = world.labelled(0, "anna", "turn it onn")
    ReviewRequest.objects.create(collection=world.collection, round_clip=row, reason="random", weight=1)
    decided(world, row, Kind.CORRECT, text=" turn it on ")
    assert held(row) == ("turn it on", "adjudicated", "rita@example.org")
    assert ReviewRequest.objects.get().settled_at is not None
    with pytest.raises(EarmarkError) as refused:
        decided(world, row, Kind.CORRECT)
    assert refused.value.error_id == "annotation:decision:text"


def test_an_unintelligible_clip_has_no_text_any_more_and_may_get_one_again(world: Answered) -> None:
    row = world.labelled(0, "anna", "a guess")
    decided(world, row, Kind.UNINTELLIGIBLE)
    assert held(row) is None
    assert stands(row) == ("unintelligible", "unintelligible")
    assert standing(row.pk).kind == Kind.UNINTELLIGIBLE  # type: ignore[union-attr]
    decided(world, row, Kind.CORRECT, text="now I hear it")
    assert held(row) == ("now I hear it", "adjudicated", "rita@example.org")
    assert list(Reference.objects.filter(clip=row.clip_id).values_list("version", flat=True)) == [2, 1]
    assert stands(row) == ("labelled", "labelled")


def test_a_returned_answer_waits_again_with_its_reason(world: Answered) -> None:
    row = world.labelled(0, "anna", "turn on")
    answer = row.annotations.get()
    made = decided(world, row, Kind.RETURN, reason_code="missing_words", note="listen from 1 s")
    asked = Pass.objects.get()
    assert (made.annotation, made.reason_code) == (answer, "missing_words")
    assert (asked.status, asked.returned_code, asked.returned_note) == (
        "waiting",
        "missing_words",
        "listen from 1 s",
    )
    assert asked.returned_at is not None
    assert asked.done_at is None
    assert held(row) is None, "what is known to be wrong is not trained on"
    assert stands(row) == ("waiting", "in_round")
    assert standing(row.pk) is None


def test_an_imported_text_outlives_a_return(world: Answered) -> None:
    row = world.asked(0)
    answer = world.answer(row, "anna", "turn on")
    set_reference(clip_id=row.clip_id, text="given", kind="imported", author="")
    decided(world, row, Kind.RETURN, annotation=answer, reason_code="other")
    assert held(row) == ("given", "imported", "")


@pytest.mark.parametrize("change", ["answer", "edit", "delete", "decision"])
def test_what_changed_meanwhile_makes_a_decision_stale(world: Answered, change: str) -> None:
    row = world.labelled(0, "anna", "turn on")
    seen = version_of(row.pk)
    answer = row.annotations.get()
    match change:
        case "answer":
            world.answer(row, "bo", "turn it on")
        case "edit":
            Annotation.objects.update(text="x", updated_at=timezone.now())
        case "delete":
            Annotation.objects.update(deleted_at=timezone.now())
        case "decision":
            decided(world, row, Kind.CORRECT, text="first")
    count = Decision.objects.count()
    with pytest.raises(EarmarkError) as refused:
        decided(world, row, Kind.ACCEPT, annotation=answer, expected=seen)
    assert refused.value.error_id == "annotation:decision:stale"
    assert Decision.objects.count() == count


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR])
def test_only_reviewers_decide(world: Answered, role: Role) -> None:
    row = world.labelled(0, "anna", "turn on")
    with pytest.raises(PermissionDenied):
        decided(world, row, Kind.ACCEPT, by=world.person("vic", role))
    assert held(row) == ("turn on", "annotator", "anna@example.org")


def refused_for(world: Answered, row: RoundClip, kind: str, **fields: Any) -> str:
    with pytest.raises(EarmarkError) as refused:
        decided(world, row, kind, **fields)
    assert not Decision.objects.exists()
    return refused.value.error_id.rpartition(":")[2]


def test_what_cannot_be_decided_is_refused_and_changes_nothing(world: Answered) -> None:
    row, other = world.asked(0), world.asked(1)
    assert refused_for(world, row, Kind.ACCEPT) == "nothing-to-accept"
    assert refused_for(world, row, Kind.RETURN, reason_code="other") == "nothing-to-return"
    assert refused_for(world, row, "praise") == "kind"
    skipped = world.answer(row, "anna", skip=True)
    assert refused_for(world, row, Kind.ACCEPT, annotation=skipped) == "nothing-to-accept"
    assert refused_for(world, other, Kind.ACCEPT, annotation=skipped) == "nothing-to-accept"
    assert refused_for(world, row, Kind.RETURN, reason_code="ugly") == "reason"
    Round.objects.update(status=Round.Status.CLOSED)
    assert refused_for(world, row, Kind.RETURN, reason_code="other") == "round-closed"
    known = world.asked(2, reason=RoundClip.Reason.KNOWN)
    assert refused_for(world, known, Kind.CORRECT, text="x") == "known"
    assert not Reference.objects.exists()


def test_reasons_fit_their_column() -> None:
    assert max(map(len, REASONS)) <= 30
