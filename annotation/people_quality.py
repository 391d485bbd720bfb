"""Reads: how well each person labels, from what they sent, what became of it, and what was measured of them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Aggregate, Count, FloatField, Q

from annotation.effort import Work, work_by_person
from annotation.models import Annotation
from annotation.review_models import Decision, QualityReport
from earmark.corpus.models import Collection

Kind = Decision.Kind
COUNTED = ("submitted", "skipped", "checked", "doubted", "median_seconds")


class Median(Aggregate):
    """PostgreSQL's continuous median."""

    function = "percentile_cont"
    template = "percentile_cont(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class PersonQuality:
    """One person's figures. Counts and times since the date asked for, `work` and what was measured over all time.

    `doubted` of `checked` answers may hold a slip. `measured`: their row of the newest report (`error_rate`, `low`,
    `high`, `clips`, `agreement`, `known`), None for who shares no clip and met no known answer.
    """

    person: str
    submitted: int = 0
    skipped: int = 0
    checked: int = 0
    doubted: int = 0
    median_seconds: float | None = None
    accepted: int = 0
    corrected: int = 0
    returned: int = 0
    work: Work = field(default_factory=Work)
    measured: Mapping[str, Any] | None = None


def people_of(
    collection: Collection,
    report: QualityReport | None,
    *,
    since: datetime | None = None,
    only: str | None = None,
) -> list[PersonQuality]:
    """Everyone's figures, who sent most first; of `only` one address where given. Four queries."""
    answers = Annotation.objects.filter(round_clip__round__collection=collection)
    decisions = Decision.objects.filter(round_clip__round__collection=collection, annotation__isnull=False)
    if since is not None:
        answers, decisions = answers.filter(created_at__gte=since), decisions.filter(at__gte=since)
    if only is not None:
        answers, decisions = answers.filter(annotator=only), decisions.filter(annotation__annotator=only)
    told: Iterable[Mapping[str, Any]] = answers.values("annotator").annotate(
        submitted=Count("id"),
        skipped=Count("id", filter=Q(was_skipped=True)),
        checked=Count("checked_at"),
        doubted=Count("id", filter=~Q(slips=[])),
        median_seconds=Median("lead_seconds"),
    )
    became: dict[str, dict[str, int]] = {}
    for person, kind, number in decisions.values_list("annotation__annotator", "kind").annotate(Count("id")):
        became.setdefault(person, {})[kind] = number
    measured = {one["person"]: one for one in report.figures["people"]} if report else {}
    work = work_by_person(collection)
    rows: dict[str, Any] = {row["annotator"]: {name: row[name] for name in COUNTED} for row in told}
    people = {*rows, *became} | ({*measured} if only is None else {*measured} & {only})
    found = [
        PersonQuality(
            person=person,
            **rows.get(person, {}),
            accepted=became.get(person, {}).get(Kind.ACCEPT, 0),
            corrected=became.get(person, {}).get(Kind.CORRECT, 0),
            returned=became.get(person, {}).get(Kind.RETURN, 0),
            work=work.get(person, Work()),
            measured=measured.get(person),
        )
        for person in people
    ]
    return sorted(found, key=lambda one: (-one.submitted, one.person))


def slips_by_kind(
    collection: Collection, *, since: datetime | None = None, only: str | None = None
) -> dict[str, int]:
    """How many possible slips of each kind were seen, the most frequent first. One query."""
    answers = Annotation.objects.filter(round_clip__round__collection=collection).exclude(slips=[])
    if since is not None:
        answers = answers.filter(created_at__gte=since)
    if only is not None:
        answers = answers.filter(annotator=only)
    counts: dict[str, int] = {}
    for told in answers.values_list("slips", flat=True).iterator():
        for slip in told:
            counts[slip["kind"]] = counts.get(slip["kind"], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def as_plain(one: PersonQuality) -> dict[str, Any]:
    """One person's figures as flat values, for JSON and tables."""
    measured = one.measured or {}
    known = measured.get("known") or {}
    told = asdict(one)
    told.pop("work"), told.pop("measured")
    return {
        **told,
        "audio_seconds": one.work.audio_seconds,
        "client_seconds": one.work.client_seconds,
        "server_seconds": one.work.server_seconds,
        "pace": one.work.pace,
        "agreement": measured.get("agreement"),
        "error_rate": measured.get("error_rate"),
        "error_rate_low": measured.get("low"),
        "error_rate_high": measured.get("high"),
        "overlapped_clips": measured.get("clips", 0),
        "known_clips": known.get("clips", 0),
        "known_right": known.get("right"),
        "known_error_rate": known.get("error_rate"),
        "known_error_rate_low": known.get("low"),
        "known_error_rate_high": known.get("high"),
    }
