"""How well people label, and what it costs: the page, its table as CSV, and asking for a new measurement."""

import csv
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.effort import time_saved, total_cost
from annotation.measuring import SEED, newest_report, start_measuring
from annotation.people_quality import as_plain, people_of, slips_by_kind
from annotation.plans import plan_of
from earmark.accounts.roles import Role
from earmark.loop.costs import rounds_and_gains
from earmark.web.places import WRITE, Place, in_collection, page
from earmark.web.queries import quality as queries
from earmark.web.views.telling import telling

PERIODS = (30, 90, 365)
"""Days that may be looked at."""
USUAL = 90


@in_collection(Role.ANNOTATOR)
def quality(request: HttpRequest, place: Place) -> HttpResponse:
    """Annotators see their own row and nothing of others."""
    report = newest_report(place.collection)
    days, only = _days(request), _only(place)
    since = timezone.now() - timedelta(days=days)
    people = people_of(place.collection, report, since=since, only=only)
    slips = slips_by_kind(place.collection, since=since, only=only)
    context: dict[str, Any] = {
        "people": people,
        "report": report,
        "days": days,
        "periods": PERIODS,
        "scale": queries.scale(people),
        "slips": queries.named_slips(slips),
        "checked": sum(one.checked for one in people),
    }
    if place.is_reviewer:
        rounds, gains = rounds_and_gains(place.collection)
        context |= {
            "matrix": queries.matrix(report),
            "pairs": queries.unlike_pairs(report),
            "alphas": queries.alphas(report),
            "saved": time_saved(place.collection, seed=SEED),
            "rounds": rounds[::-1][: queries.SHOWN_ROUNDS],
            "spent": total_cost(rounds),
            "gains": gains,
            "plan": plan_of(place.collection),
        }
    return page(request, place, "web/quality.html", context, section="quality")


@in_collection(Role.ANNOTATOR)
def quality_csv(request: HttpRequest, place: Place) -> HttpResponse:
    """The table of people as the page shows it."""
    since = timezone.now() - timedelta(days=_days(request))
    people = people_of(place.collection, newest_report(place.collection), since=since, only=_only(place))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{place.collection.slug}-quality.csv"'
    rows = [as_plain(one) for one in people]
    writer = csv.DictWriter(response, fieldnames=list(rows[0]) if rows else ["person"])
    writer.writeheader()
    writer.writerows({name: queries.harmless(value) for name, value in row.items()} for row in rows)
    return response


@in_collection(Role.REVIEWER, WRITE)
def quality_measure(request: HttpRequest, place: Place) -> HttpResponse:
    with telling(request, _("Measuring has begun: the page shows it when it is done.")):
        start_measuring(place.collection, by=place.person)
    return redirect("web:quality", slug=place.collection.slug)


def _days(request: HttpRequest) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked in map(str, PERIODS) else USUAL


def _only(place: Place) -> str | None:
    """The one address whose figures the person may see; None for everybody's."""
    return None if place.is_reviewer else place.person.email
