"""Pages of clips, narrowed and ordered, from work that does not grow with the table.

Clips alike in everything that counts (`models.FACET`) are one facet; a collection has hundreds of them, and tallies
say how many clips each holds. A page is merged from the heads of the facets wanted, each read off an index that
begins with the facet: whatever is asked for and however deep the page lies, a few rows of each are looked at.

What is no facet (who speaks, which recording, ranges of measures) is settled one of two ways. Where few clips
qualify they are gathered and sorted. Otherwise the clips of the wanted facets are walked through in order, WALKED of
them at most: a page that is not full by then says how far it came, and the next one goes on from there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from earmark.corpus.browsing import (
    MEASURES,
    Facet,
    Found,
    Order,
    Place,
    Range,
    Section,
    Sql,
    Wanted,
    sections_of,
)

GATHERED = 10_000
WALKED = 10_000
LEAST_CHUNK = 8
COLUMNS = ", ".join(("id", "facet", "speaker_id", *MEASURES))


@dataclass(frozen=True)
class Reading:
    """One way through one section: what SQL needs to know."""

    order: Order
    section: Section
    is_descending: bool
    after: Place | None
    own: Range | None

    @property
    def direction(self) -> str:
        return "DESC" if self.is_descending else "ASC"

    @property
    def key(self) -> str:
        return self.order.column if self.section.is_keyed else "0"

    @property
    def by(self) -> str:
        """What the index is read in the order of."""
        named = [self.order.column] if self.section.is_keyed else []
        return ", ".join(f"{name} {self.direction}" for name in (*named, "id"))

    def where(self) -> Sql:
        """The rows of a facet `f.facet` that come after `after`.

        Only one condition says where to begin: given two, the index is read from the wider of them.
        """
        column, own, after = self.order.column, self.own, self.after
        sign = "<" if self.is_descending else ">"
        if not self.section.is_keyed:
            conditions, values = [f"{column} IS NULL"] if column else [], list[Any]()
            if after:
                conditions.append(f"id {sign} %s")
                values.append(after.pk)
            return " AND ".join(["facet = f.facet", *conditions]), values
        if own and after and not own.begins_after(after.key, is_descending=self.is_descending):
            own = replace(own, high=None) if self.is_descending else replace(own, low=None)
        elif own:
            after = None
        conditions, values = [], []
        if own and (own.low is not None or own.high is not None):
            condition, values = own.sql()
            conditions.append(condition)
        if after:
            kind, key = ("bigint", int(after.key)) if column.endswith("_id") else ("float8", after.key)
            conditions.append(f"({column}, id) {sign} (%s::{kind}, %s)")
            values += [key, after.pk]
        if not conditions:
            conditions.append(f"{column} IS NOT NULL")
        return " AND ".join(["facet = f.facet", *conditions]), values


def page_of(
    facets: Sequence[Facet], wanted: Wanted, *, size: int, after: Place | None = None, back: bool = False
) -> Found:
    """At most `size` clips of `facets` (those of `facets_of`) that `wanted` asks for, after `after` or before it.

    A page read `back` begins with the clip nearest to `after`.
    """
    if not facets:
        return Found([], None, matching=0)
    own = next((one for one in wanted.ranges if one.measure == wanted.order.column), None)
    others = replace(wanted, ranges=tuple(one for one in wanted.ranges if one != own))
    if own and not _has_residual(others):
        matching = _at_most(*_in_range(facets, own), GATHERED)
        found = _merge(facets, wanted, own, size=size, after=after, back=back)
        return replace(found, matching=matching if matching <= GATHERED else None)
    if not _has_residual(others):
        found = _merge(facets, wanted, None, size=size, after=after, back=back)
        return replace(found, matching=sum(one.number for one in facets))
    if driver := _driver(facets, wanted):
        return _gather(driver, facets, wanted, size=size, after=after, back=back)
    return _walk(facets, others, own, size=size, after=after, back=back)


def _has_residual(wanted: Wanted) -> bool:
    """Whether facets alone do not say which clips are wanted."""
    return bool(wanted.ranges) or any(
        one is not None for one in (wanted.speaker, wanted.recording, wanted.brought_by)
    )


def _readings(
    facets: Sequence[Facet], wanted: Wanted, own: Range | None, after: Place | None, *, back: bool
) -> Iterator[Reading]:
    """The sections to read, in order, from the one `after` lies in."""
    order = wanted.order
    descending = order.is_descending != back
    sections = sections_of(facets, order)
    for section in reversed(sections) if back else sections:
        if after and (section.name > after.section if back else section.name < after.section):
            continue
        if own and not section.is_keyed:
            continue
        here = after if after and section.name == after.section else None
        yield Reading(order, section, descending, here, own)


def _merge(
    facets: Sequence[Facet],
    wanted: Wanted,
    own: Range | None,
    *,
    size: int,
    after: Place | None,
    back: bool,
) -> Found:
    places: list[Place] = []
    for reading in _readings(facets, wanted, own, after, back=back):
        places += _heads(reading, size + 1 - len(places))
        if len(places) > size:
            return Found(places[:size], places[size - 1])
    return Found(places, None)


def _heads(reading: Reading, size: int) -> list[Place]:
    """The first `size` rows of a section: of the `size` facets that begin first, the first `size` rows each."""
    where, values = reading.where()
    facets = [one.hash for one in reading.section.facets]
    rows = f"SELECT {reading.key} AS key, id FROM corpus_clip WHERE {where} ORDER BY {reading.by} LIMIT %s"
    by = f"ORDER BY head.key {reading.direction}, head.id {reading.direction} LIMIT %s"
    sql = f"""
        WITH f AS MATERIALIZED (
            SELECT f.facet FROM unnest(%s::bigint[]) AS f (facet) CROSS JOIN LATERAL ({rows}) AS head {by}
        )
        SELECT head.key, head.id FROM f CROSS JOIN LATERAL ({rows}) AS head {by}"""
    with connection.cursor() as cursor:
        cursor.execute(sql, [facets, *values, 1, size, *values, size, size])
        return [Place(reading.section.name, float(key), pk) for key, pk in cursor.fetchall()]


def _driver(facets: Sequence[Facet], wanted: Wanted) -> Sql | None:
    """SQL for few clips among which all that are `wanted` lie, if there is something that makes them few.

    The clips of a speaker count as few however many they are: all that is asked of them lies in one index.
    """
    if wanted.recording is not None:
        return f"SELECT {COLUMNS}, recording_id FROM corpus_clip WHERE recording_id = %s", [wanted.recording]
    if wanted.speaker is not None:
        more = ", recording_id" if wanted.brought_by is not None else ""
        return f"SELECT {COLUMNS}{more} FROM corpus_clip WHERE speaker_id = %s", [wanted.speaker]
    drivers = [_in_range(facets, one) for one in wanted.ranges]
    if wanted.brought_by is not None:
        columns = ", ".join(f"c.{name.strip()}" for name in f"{COLUMNS}, recording_id".split(","))
        drivers.append(
            (
                f"SELECT {columns} FROM corpus_importfile AS file JOIN corpus_clip AS c USING (recording_id)"
                " WHERE file.of_id = %s AND file.outcome = 'ingested'",
                [wanted.brought_by],
            )
        )
    return next((one for one in drivers if _at_most(*one, GATHERED) <= GATHERED), None)


def _in_range(facets: Sequence[Facet], one: Range) -> Sql:
    """SQL for the clips of `facets` in the range."""
    condition, values = one.sql()
    return (
        "SELECT c.* FROM unnest(%s::bigint[]) AS f (facet) CROSS JOIN LATERAL"
        f" (SELECT {COLUMNS}, recording_id FROM corpus_clip WHERE facet = f.facet AND {condition}) AS c",
        [[facet.hash for facet in facets], *values],
    )


def _at_most(sql: str, values: list[Any], most: int) -> int:
    """How many rows `sql` has, counted up to one more than `most`."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({sql} LIMIT {most + 1}) AS few", values)
        return int(cursor.fetchone()[0])


def _residual(wanted: Wanted) -> Sql:
    """The conditions on a clip `c` that facets do not settle."""
    conditions, values = ["TRUE"], []
    for one in wanted.ranges:
        condition, ends = one.sql("c." + one.measure)
        conditions.append(condition)
        values += ends
    for name in ("speaker", "recording"):
        if (value := getattr(wanted, name)) is not None:
            conditions.append(f"c.{name}_id = %s")
            values.append(value)
    if wanted.brought_by is not None:
        conditions.append(
            "EXISTS (SELECT 1 FROM corpus_importfile AS file WHERE file.recording_id = c.recording_id"
            " AND file.of_id = %s AND file.outcome = 'ingested')"
        )
        values.append(wanted.brought_by)
    return " AND ".join(conditions), values


def _gather(
    driver: Sql,
    facets: Sequence[Facet],
    wanted: Wanted,
    *,
    size: int,
    after: Place | None,
    back: bool,
) -> Found:
    """All clips of `driver` that are wanted, sorted; exact, and counted."""
    order, sections = wanted.order, sections_of(facets, wanted.order)
    names = [one.name for one in sections]
    ranks = {name: rank for rank, name in enumerate(names)}
    ranked = "(c.key IS NULL)::int" if order.column else "f.rank"
    residual, values = _residual(wanted)
    forward = "DESC" if back else "ASC"
    down = "DESC" if order.is_descending != back else "ASC"
    beyond, position = "TRUE", list[Any]()
    if after:
        rank = sum(name < after.section for name in names)
        is_there = after.section in ranks
        sign, key_sign = ("<" if back else ">"), ("<" if down == "DESC" else ">")
        beyond = f"(rank {sign} %s OR (rank = %s AND (key, id) {key_sign} (%s::float8, %s)))"
        edge = rank if is_there or back else rank - 1
        position = [edge, rank if is_there else -1, after.key, after.pk]
    sql = f"""
        WITH c AS MATERIALIZED (SELECT *, {order.column or "0"} AS key FROM ({driver[0]}) AS driver),
        found AS MATERIALIZED (
            SELECT {ranked} AS rank, coalesce(c.key, 0)::float8 AS key, c.id
            FROM c JOIN unnest(%s::bigint[], %s::int[]) AS f (facet, rank) USING (facet) WHERE {residual}
        )
        SELECT rank, key, id, (SELECT count(*) FROM found) FROM found WHERE {beyond}
        ORDER BY rank {forward}, key {down}, id {down} LIMIT %s"""
    of_facets = [[one.hash for one in facets], [ranks.get(one.section, 0) for one in facets]]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*driver[1], *of_facets, *values, *position, size + 1])
        rows = cursor.fetchall()
    places = [Place(names[rank], key, pk) for rank, key, pk, _matching in rows]
    more = len(places) > size
    matching = rows[0][3] if rows else (None if after else 0)
    return Found(places[:size], places[size - 1] if more else None, matching=matching)


def _walk(
    facets: Sequence[Facet],
    wanted: Wanted,
    own: Range | None,
    *,
    size: int,
    after: Place | None,
    back: bool,
) -> Found:
    """Look at the clips of `facets` in order until the page is full or WALKED of them are looked at."""
    places: list[Place] = []
    left = WALKED
    for reading in _readings(facets, wanted, own, after, back=back):
        found, edge, looked = _stretch(reading, wanted, left, size + 1 - len(places))
        places += found
        left -= looked
        if len(places) > size:
            return Found(places[:size], places[size - 1])
        if edge:
            return Found(places, edge, is_whole=False)
    return Found(places, None)


def _stretch(
    reading: Reading, wanted: Wanted, budget: int, size: int
) -> tuple[list[Place], Place | None, int]:
    """What is wanted in the next `budget` clips of a section, the last of these clips, and how many they are.

    Every facet is given a share of the budget as large as its share of the clips. Up to the first of the places
    where a facet's share ran out, all facets were looked at: that is the edge; None when none ran out.
    """
    facets = reading.section.facets
    all_clips = sum(one.number for one in facets)
    shares = [max(LEAST_CHUNK, -(-max(budget, 0) * one.number // all_clips)) for one in facets]
    where, values = reading.where()
    residual, more = _residual(wanted)
    down = reading.direction
    sign = ">=" if reading.is_descending else "<="
    by = f"ORDER BY key {down}, id {down}"
    sql = f"""
        WITH walked AS MATERIALIZED (
            SELECT c.*, f.share FROM unnest(%s::bigint[], %s::int[]) AS f (facet, share) CROSS JOIN LATERAL (
                SELECT row_number() OVER (ORDER BY {reading.by}) AS nth, {reading.key}::float8 AS key, id,
                    recording_id, speaker_id, {", ".join(MEASURES)}
                FROM corpus_clip WHERE {where} ORDER BY {reading.by} LIMIT f.share
            ) AS c
        ), edge AS (SELECT key, id FROM walked WHERE nth = share {by} LIMIT 1),
        found AS (
            SELECT c.key, c.id FROM walked AS c LEFT JOIN edge ON TRUE
            WHERE (edge.id IS NULL OR (c.key, c.id) {sign} (edge.key, edge.id)) AND {residual}
        )
        SELECT 0 AS what, key, id FROM (SELECT c.key, c.id FROM found AS c {by} LIMIT %s) AS page
        UNION ALL SELECT 1, key, id FROM edge
        UNION ALL SELECT 2, 0, count(*) FROM walked"""
    hashes = [one.hash for one in facets]
    with connection.cursor() as cursor:
        cursor.execute(sql, [hashes, shares, *values, *more, size])
        rows = cursor.fetchall()
    name = reading.section.name
    found = [Place(name, key, pk) for what, key, pk in rows if what == 0]
    edge = next((Place(name, key, pk) for what, key, pk in rows if what == 1), None)
    return found, edge, next(pk for what, _key, pk in rows if what == 2)
