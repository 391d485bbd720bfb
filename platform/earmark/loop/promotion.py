"""When a new model takes the champion's place, and how an old one gets it back."""

from django.db import transaction
from django.utils.translation import gettext as _

from earmark.accounts.models import User
from earmark.accounts.services import audit
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from earmark.datasets.snapshots import test_set
from earmark.loop.lines import Change, line_of
from earmark.loop.models import Promotion
from earmark.recognition.models import Alias, ModelVersion
from earmark.recognition.registry import champion, holder, set_alias
from earmark.speech.errors import EarmarkError
from earmark.speech.superiority import Verdict
from training_jobs.judging import verdict_on
from training_jobs.models import Evaluation

Outcome = Promotion.Outcome
SHORTEST_REASON = 10
"""Characters."""
LONGEST_REASON = 2_000


def verdict_of(collection: Collection, model: ModelVersion) -> tuple[Snapshot, ModelVersion, Verdict]:
    """How `model` does beside the champion on the frozen test set: the set, the champion, the verdict.

    Raises EarmarkError `loop:promotion:no-change` for the champion itself, `:untested` without a test set,
    `:unevaluated` where one of the two was not measured.
    """
    snapshot, held = test_set(collection), champion(collection)
    if model == held:
        raise EarmarkError(
            "loop:promotion:no-change",
            _("{model} is the champion already.").format(model=model.name),
            _("There is nothing to promote."),
        )
    if snapshot is None:
        raise EarmarkError(
            "loop:promotion:untested",
            _("Collection {slug} has no frozen test set to judge models by.").format(slug=collection.slug),
            _("Freeze it with `earmark snapshot --test`, or on the page of snapshots."),
        )
    measured = Evaluation.objects.filter(snapshot=snapshot).values_list("model_id", flat=True)
    known = set(measured.filter(model__in=[held, model]))
    unscored = [each.name for each in (held, model) if each.pk not in known]
    if unscored:
        raise EarmarkError(
            "loop:promotion:unevaluated",
            _("{models} has no error rate on the test set of {slug}.").format(
                models=", ".join(unscored), slug=collection.slug
            ),
            _("Run `earmark evaluate` for it, then promote again."),
        )
    return snapshot, held, verdict_on(before=held, after=model, snapshot=snapshot)


def promote_if_better(
    *, collection: Collection, model: ModelVersion, by: User | None = None, is_automatic: bool = False
) -> Promotion:
    """Judge `model` against the champion on the frozen test set; the better one becomes or stays champion.

    A model that is not better stays as challenger. What was found is kept either way. Raises as `verdict_of`, and
    EarmarkError `loop:promotion:overtaken` where the champion changed meanwhile.
    """
    snapshot, held, verdict = verdict_of(collection, model)
    outcome = Outcome.BETTER if verdict.promote else Outcome.KEPT
    return _take_place(
        Promotion(
            collection=collection,
            outcome=outcome,
            model=model,
            before=held,
            snapshot=snapshot,
            verdict=verdict.as_json(),
            is_automatic=is_automatic,
            by=by,
        )
    )


def promote_for_reason(
    *, collection: Collection, model: ModelVersion, reason: str, by: User | None
) -> Promotion:
    """Make `model` champion whatever the test set says, for a reason that is kept and shown.

    The verdict, where there is one, is kept beside it. Raises EarmarkError `loop:promotion:reason` for a reason of
    fewer than SHORTEST_REASON characters, `:no-change`, `:overtaken`.
    """
    said = " ".join(reason.split())
    if not SHORTEST_REASON <= len(said) <= LONGEST_REASON:
        raise EarmarkError(
            "loop:promotion:reason",
            _("{count} characters do not say why {model} is to be champion.").format(
                count=len(said), model=model.name
            ),
            _("Write {least} to {most} characters; everybody in the collection reads them.").format(
                least=SHORTEST_REASON, most=LONGEST_REASON
            ),
        )
    held, found = champion(collection), None
    try:
        found = verdict_of(collection, model)
    except EarmarkError as error:
        if error.error_id not in _NO_VERDICT:
            raise
    return _take_place(
        Promotion(
            collection=collection,
            outcome=Outcome.REASON,
            model=model,
            before=held,
            snapshot=found[0] if found else None,
            verdict=found[2].as_json() if found else {},
            reason=said,
            by=by,
        )
    )


_NO_VERDICT = (
    "loop:promotion:untested",
    "loop:promotion:unevaluated",
    "evaluation:test-set:empty",
    "evaluation:test-set:unheard",
)


def roll_back(*, collection: Collection, by: User | None, reason: str = "") -> Promotion:
    """Give the place back to the champion before this one; clips show its hypotheses again.

    A second roll-back goes one further. Raises EarmarkError `loop:promotion:first` where there was none before.
    """
    held = champion(collection)
    before = previous_champion(collection)
    if before is None:
        raise EarmarkError(
            "loop:promotion:first",
            _("{model} is the first champion of {slug}.").format(model=held.name, slug=collection.slug),
            _("There is none to go back to; promote another model."),
        )
    return _take_place(
        Promotion(
            collection=collection,
            outcome=Outcome.ROLLED_BACK,
            model=before,
            before=held,
            reason=" ".join(reason.split())[:LONGEST_REASON],
            by=by,
        )
    )


def previous_champion(collection: Collection) -> ModelVersion | None:
    """The model that a roll-back would make champion."""
    held = holder(collection, Alias.Name.CHAMPION)
    line = line_of(_changes(collection), held.pk if held else None)
    return ModelVersion.objects.get(pk=line[-2]) if len(line) > 1 else None


def _changes(collection: Collection) -> list[Change]:
    rows = Promotion.objects.filter(collection=collection).exclude(outcome=Outcome.KEPT).order_by("pk")
    return [
        Change(before, model, outcome == Outcome.ROLLED_BACK)
        for before, model, outcome in rows.values_list("before_id", "model_id", "outcome")
    ]


def _take_place(row: Promotion) -> Promotion:
    """Write the promotion and what follows from it, if the champion is still the one it was judged against."""
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=row.collection_id)
        if holder(row.collection, Alias.Name.CHAMPION) != row.before:
            raise EarmarkError(
                "loop:promotion:overtaken",
                _("Another model became champion while {model} was judged.").format(model=row.model.name),
                _("Look at the models again, then decide."),
            )
        row.save()
        _tell(row)
        name = Alias.Name.CHAMPION if row.is_change else Alias.Name.CHALLENGER
        set_alias(collection=row.collection, name=name, model=row.model, by=row.by)
        if row.is_change:
            Alias.objects.filter(
                collection=row.collection, name=Alias.Name.CHALLENGER, model=row.model
            ).delete()
    return row


def _tell(row: Promotion) -> None:
    details = {"promotion": row.pk, "model": row.model.name, "before": row.before.name, "reason": row.reason}
    if row.verdict:
        details["interval"] = [row.verdict["low"], row.verdict["high"]]
    audit(
        row.by,
        _VERBS[Outcome(row.outcome)],
        row.collection.scope,
        **details,
        **({"policy": "promote"} if row.is_automatic else {}),
    )


_VERBS: dict[Promotion.Outcome, str] = {
    Outcome.BETTER: "promote model",
    Outcome.KEPT: "keep as challenger",
    Outcome.REASON: "promote model for a reason",
    Outcome.ROLLED_BACK: "roll back champion",
}
