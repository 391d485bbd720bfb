"""The progress dashboard."""

from datetime import timedelta
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.queries import Done, done_by_day
from earmark.accounts.roles import Role
from earmark.corpus.models import Clip, Split
from earmark.recognition.models import Alias
from earmark.recognition.registry import holder
from earmark.web.places import Place, in_collection, page
from earmark.web.queries import progress as queries
from earmark.web.queries.trainings import evaluations_of
from training_jobs.models import Evaluation

SHOWN_EVALUATIONS = 40
DAYS = 30


@in_collection(Role.VIEWER)
def progress(request: HttpRequest, place: Place) -> HttpResponse:
    cells = queries.cells(place.collection)
    champion = holder(place.collection, Alias.Name.CHAMPION)
    done = done_by_day(place.collection, since=timezone.now() - timedelta(days=DAYS))
    evaluations = list(evaluations_of(place.collection))[-SHOWN_EVALUATIONS:]
    rounds = queries.rounds_before(place.collection, evaluations)
    pool = [cell for cell in cells if cell.split == Split.TRAIN]
    context = {
        "champion": champion,
        "states": queries.by_state(cells),
        "clips": sum(cell.clips for cell in cells),
        "pool_seconds": sum(cell.seconds for cell in pool),
        "labelled_seconds": sum(cell.seconds for cell in pool if cell.state == Clip.State.LABELLED),
        "dialects": queries.labelled_by_dialect(cells),
        "done": done,
        "people": _per_person(done),
        "submitted": sum(one.submitted for one in done),
        "first": evaluations[0] if evaluations else None,
        "best": next((one for one in evaluations if one.model == champion), None),
        "evaluations": [(one, rounds[one.model_id]) for one in evaluations],
        "test_set": evaluations[-1].snapshot if evaluations else None,
        "multiples": _multiples(evaluations),
        "figures": {
            "days": _daily(done),
            "errors": [_error_point(one, rounds[one.model_id]) for one in evaluations],
            "words": _words(),
        },
    }
    return page(request, place, "web/progress.html", context, section="progress")


@in_collection(Role.VIEWER)
def progress_confidence(request: HttpRequest, place: Place) -> JsonResponse:
    """How sure the champion was, as JSON."""
    champion = holder(place.collection, Alias.Name.CHAMPION)
    bins = queries.confidences(place.collection) if champion else []
    heard = {"n": intcomma(sum(bins))}
    source = f"{champion.name} · {_('%(n)s clips') % heard}" if champion else ""
    return JsonResponse({"bins": bins, "source": source})


def _per_person(done: list[Done]) -> list[dict[str, Any]]:
    totals: dict[str, dict[str, Any]] = {}
    for one in done:
        new = {"name": one.annotator, "clips": 0, "skipped": 0, "seconds": 0.0, "last": one.day}
        row = totals.setdefault(one.annotator, new)
        row["clips"] += one.submitted
        row["skipped"] += one.skipped
        row["seconds"] += one.seconds
        row["last"] = max(row["last"], one.day)
    return sorted(totals.values(), key=lambda row: -row["clips"])


def _daily(done: list[Done]) -> dict[str, Any]:
    """Every day from the first someone worked on to the last, and each person's clips on them."""
    if not done:
        return {"days": [], "people": []}
    first, last = done[0].day, done[-1].day
    dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    people = [row["name"] for row in _per_person(done)]
    clips = {(one.day, one.annotator): one.submitted for one in done}
    return {
        "days": [day.isoformat() for day in dates],
        "people": [{"name": name, "clips": [clips.get((day, name), 0) for day in dates]} for name in people],
    }


def _error_point(one: Evaluation, rounds: int) -> dict[str, Any]:
    return {
        "model": one.model.name,
        "after": _("after round %(n)s") % {"n": rounds} if rounds else _("before any round"),
        "value": one.error_rate,
        "low": one.low,
        "high": one.high,
        "clips": one.clips,
        "snapshot": one.snapshot.digest[:12],
    }


def _multiples(evaluations: list[Evaluation]) -> list[dict[str, Any]]:
    """One small chart a dialect: its error rate for every model, and how many test clips that rests on."""
    if not evaluations:
        return []
    names = sorted(evaluations[-1].slices.get("dialect", {}))
    found = []
    for name in names[: queries.SHOWN_DIALECTS]:
        slices = [one.slices.get("dialect", {}).get(name) for one in evaluations]
        values = [each["error_rate"] if each else None for each in slices]
        known = [value for value in values if value is not None]
        clips = next((each["clips"] for each in reversed(slices) if each), 0)
        found.append({"name": name, "values": values, "clips": clips, "first": known[0], "last": known[-1]})
    return found


def _words() -> dict[str, str]:
    return {
        "error_rate": _("Error rate"),
        "interval": _("95% interval"),
        "clips": _("clips"),
        "test_clips": _("Test clips"),
        "snapshot": _("Test set"),
        "confidence": _("Confidence"),
        "day": _("Day"),
        "total": _("Total"),
    }
