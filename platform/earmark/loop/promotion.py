"""When a new model takes the champion's place."""

from dataclasses import dataclass

from earmark.accounts.models import User
from earmark.corpus.models import Collection
from earmark.datasets.snapshots import test_set
from earmark.recognition.models import Alias, ModelVersion
from earmark.recognition.registry import champion, set_alias
from earmark.speech.errors import EarmarkError
from training_jobs.models import Evaluation

DIALECT_TOLERANCE = 0.01
"""A new champion may hear no dialect worse than the old one by more than this error rate."""


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, and the reason for people."""

    promote: bool
    reason: str


def judge(old: Evaluation, new: Evaluation) -> Verdict:
    """Better on the whole, and no dialect worse by more than `DIALECT_TOLERANCE`."""
    if new.error_rate >= old.error_rate:
        return Verdict(False, f"error rate {new.error_rate:.3f} is no better than {old.error_rate:.3f}")
    before, after = old.slices["dialect"], new.slices["dialect"]
    for name in sorted(before):
        worse = after[name]["error_rate"] - before[name]["error_rate"]
        if worse > DIALECT_TOLERANCE:
            return Verdict(False, f"dialect {name or 'unnamed'} is worse by {worse:.3f}")
    return Verdict(True, f"error rate {new.error_rate:.3f}, was {old.error_rate:.3f}")


def promote_if_better(*, collection: Collection, model: ModelVersion, by: User | None = None) -> Verdict:
    """Compare `model` with the champion on the frozen test set; the better one becomes or stays champion.

    A model that is not better stays as challenger. Raises EarmarkError `loop:promotion:unevaluated`.
    """
    snapshot = test_set(collection)
    scores = {
        row.model_id: row
        for row in Evaluation.objects.filter(snapshot=snapshot, model__in=[champion(collection), model])
    }
    unscored = [each.name for each in (champion(collection), model) if each.pk not in scores]
    if unscored:
        raise EarmarkError(
            "loop:promotion:unevaluated",
            f"{', '.join(unscored)} has no error rate on the test set of {collection.slug}.",
            "Run `earmark evaluate` for it, then promote again.",
        )
    verdict = judge(scores[champion(collection).pk], scores[model.pk])
    name = Alias.Name.CHAMPION if verdict.promote else Alias.Name.CHALLENGER
    set_alias(collection=collection, name=name, model=model, by=by)
    return verdict
