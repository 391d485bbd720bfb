"""What the demo found: `report.json`, and the same as a table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, Sum
from rich.table import Table

from earmark.corpus.models import Clip, Collection, Split
from earmark.demo.turns import Turned
from training_jobs.models import Evaluation


def report(
    collection: Collection, turns: Sequence[Turned], *, wall_seconds: float, loop_seconds: float
) -> dict[str, Any]:
    """Everything of the run as JSON values; error rates are those of the frozen test set."""
    return {
        "corpus": _corpus(collection),
        "rounds": [_round(turned) for turned in turns],
        "wall_seconds": round(wall_seconds, 1),
        "loop_seconds": round(loop_seconds, 1),
        "urls": {
            "site": settings.EARMARK.site_url,
            "label_studio": settings.EARMARK.label_studio_public_url,
        },
    }


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write the report, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.rename(path)


def table(facts: dict[str, Any]) -> Table:
    """Error rates before the first round and after each, a row for each slice."""
    rounds = facts["rounds"]
    shown = Table(title="Error rate on the frozen test set, in percent")
    shown.add_column("")
    shown.add_column("before", justify="right")
    for one in rounds:
        shown.add_column(f"after round {one['round']}", justify="right")
    for name, before in rounds[0]["error_rate_before"].items():
        rates = [before, *(one["error_rate_after"][name] for one in rounds)]
        shown.add_row(name, *(f"{100 * rate:.1f}" for rate in rates))
    shown.add_section()
    shown.add_row("labelled", "", *(f"{one['labelled_seconds']:.0f} s" for one in rounds))
    shown.add_row("promoted", "", *("yes" if one["promoted"] else "no" for one in rounds))
    return shown


def _corpus(collection: Collection) -> dict[str, Any]:
    clips = Clip.objects.filter(collection=collection)
    seconds = {row["split"]: row["seconds"] for row in clips.values("split").annotate(seconds=Sum("seconds"))}
    languages = clips.values("language").annotate(count=Count("id")).order_by("language")
    return {
        "recordings": collection.recordings.count(),
        "clips": clips.count(),
        "hours": round(sum(seconds.values()) / 3600, 3),
        "languages": {row["language"]: row["count"] for row in languages},
        "speakers": collection.speakers.count(),
        "pool_seconds": round(seconds.get(Split.TRAIN, 0.0), 1),
        "imported_dev_seconds": round(seconds.get(Split.DEV, 0.0), 1),
        "imported_test_seconds": round(seconds.get(Split.TEST, 0.0), 1),
    }


def _round(turned: Turned) -> dict[str, Any]:
    return {
        "round": turned.round.number,
        "strategy": turned.round.strategy,
        "seed": turned.round.seed,
        "labelled_seconds": round(turned.progress["labelled_seconds"], 1),
        "tasks": turned.progress["tasks"],
        "skipped": turned.progress["skipped"],
        "unintelligible": turned.progress["unintelligible"],
        "model_before": turned.before.model.name,
        "model_after": turned.after.model.name,
        "snapshot": turned.training.snapshot.digest,
        "test_set": turned.after.snapshot.digest,
        "error_rate_before": _rates(turned.before),
        "error_rate_after": _rates(turned.after),
        "interval_after": [round(turned.after.low, 4), round(turned.after.high, 4)],
        "promoted": turned.promoted,
        "reason": turned.reason,
        "stage_seconds": turned.stages.seconds,
    }


def _rates(evaluation: Evaluation) -> dict[str, float]:
    """The whole, each dialect, and each language under its code."""
    slices = {**evaluation.slices["dialect"], **evaluation.slices["language"]}
    return {"all": round(evaluation.error_rate, 4)} | {
        name: round(one["error_rate"], 4) for name, one in slices.items()
    }
