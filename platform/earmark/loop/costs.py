"""What a point of error rate cost: the work of rounds beside the models that came of them."""

from dataclasses import dataclass
from itertools import pairwise

from annotation.effort import RoundCost, total_cost, work_by_round
from annotation.models import Round
from earmark.corpus.models import Collection
from earmark.datasets.models import Snapshot
from training_jobs.models import Evaluation


@dataclass(frozen=True)
class Gain:
    """From one evaluated model to the next made after more rounds, on the same frozen test set.

    `points`: percentage points by which the error rate fell, negative where it rose; `spent`: the rounds between.
    """

    before: Evaluation
    after: Evaluation
    spent: RoundCost

    @property
    def points(self) -> float:
        return 100 * (self.before.error_rate - self.after.error_rate)

    @property
    def seconds_per_point(self) -> float | None:
        """Seconds of work a point; None where nothing was gained."""
        return self.spent.spent_seconds / self.points if self.points > 0 else None

    @property
    def cost_per_point(self) -> float | None:
        """None without a price, or where nothing was gained."""
        if self.spent.cost is None or self.points <= 0:
            return None
        return self.spent.cost / self.points


def rounds_and_gains(collection: Collection) -> tuple[list[RoundCost], list[Gain]]:
    """Every round's work, and what error rate it brought, oldest first. A model is the work of the rounds that were
    closed when it was made; of several after the same rounds the best counts.
    """
    rounds = work_by_round(collection)
    closed = dict(
        Round.objects.filter(collection=collection, closed_at__isnull=False).values_list(
            "number", "closed_at"
        )
    )
    best: dict[tuple[int, frozenset[int]], Evaluation] = {}
    rows = Evaluation.objects.filter(
        snapshot__collection=collection, snapshot__purpose=Snapshot.Purpose.TEST
    ).select_related("model", "snapshot")
    for one in rows.order_by("model_id"):
        after = frozenset(number for number, when in closed.items() if when and when <= one.model.created_at)
        held = best.get((one.snapshot_id, after))
        if held is None or one.error_rate < held.error_rate:
            best[one.snapshot_id, after] = one
    return rounds, _gains(best, rounds)


def _gains(best: dict[tuple[int, frozenset[int]], Evaluation], rounds: list[RoundCost]) -> list[Gain]:
    """Each step from fewer rounds to more on the newest test set that has any."""
    newest = max((snapshot for snapshot, _ in best), default=0)
    steps = sorted((item for item in best.items() if item[0][0] == newest), key=lambda item: len(item[0][1]))
    found = []
    for ((_, less), before), ((_, more), after) in pairwise(steps):
        spent = total_cost([one for one in rounds if one.number in more - less])
        found.append(Gain(before, after, spent))
    return found
