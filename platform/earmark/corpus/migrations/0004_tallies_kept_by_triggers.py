"""Triggers that append to the tallies what every statement changes, and functions that make the tallies anew."""

from django.db import migrations

SAMPLES = "round(seconds * 16000)::bigint"
FACET = "facet, collection_id, is_current, is_fit, unfit, language, dialect, split, state, flags"
EDGES = {
    "snr_db": (0, 5, 10, 15, 20, 30),
    "loudness_lufs": (-50, -40, -33, -27, -23, -18),
    "bandwidth_hz": (3000, 3800, 5000, 6500, 7500),
    "seconds": (2, 5, 10, 15, 20, 25),
    "confidence": tuple(number / 20 for number in range(1, 20)),
}
BINS = ", ".join(
    f"('{name}', coalesce(width_bucket({name}, '{{{','.join(map(repr, edges))}}}'::float8[]), -1))"
    for name, edges in EDGES.items()
)


def summed(table, keys, source):
    """An INSERT into `table` of what the rows of `source` (with a sign each) come to, by `keys`."""
    return f"""
        INSERT INTO {table} ({keys}, number, samples)
        SELECT {keys}, sum(sign), sum(sign * {SAMPLES}) FROM {source} GROUP BY {keys}
        HAVING sum(sign) <> 0 OR sum(sign * {SAMPLES}) <> 0"""


def clips(changed):
    binned = f"changed CROSS JOIN LATERAL (VALUES {BINS}) AS binned (measure, bin)"
    return f"""
    WITH changed AS MATERIALIZED ({changed}),
    by_facet AS ({summed("corpus_cliptally", FACET, "changed")}),
    by_speaker AS ({summed("corpus_speakertally", "collection_id, speaker_id, is_current", "changed")})
    {summed("corpus_measuretally", "collection_id, is_current, is_fit, measure, bin", binned)}"""


def recordings(changed):
    return summed("corpus_recordingtally", "collection_id", f"({changed}) AS changed")


def references(changed):
    source = f"""(
        SELECT clip.collection_id, changed.kind, clip.split, clip.seconds, changed.sign,
               (changed.created_at AT TIME ZONE 'UTC')::date AS day
        FROM ({changed}) AS changed JOIN corpus_clip AS clip ON clip.id = changed.clip_id
        WHERE changed.is_current
    ) AS held"""
    return summed("corpus_referencetally", "collection_id, kind, split, day", source)


COUNTED = {
    "clip": (clips, ("cliptally", "speakertally", "measuretally")),
    "recording": (recordings, ("recordingtally",)),
    "reference": (references, ("referencetally",)),
}
CHANGED = {
    "insert": ("NEW TABLE AS added", "SELECT *, 1 AS sign FROM added"),
    "delete": ("OLD TABLE AS removed", "SELECT *, -1 AS sign FROM removed"),
    "update": (
        "OLD TABLE AS removed NEW TABLE AS added",
        "SELECT *, 1 AS sign FROM added UNION ALL SELECT *, -1 AS sign FROM removed",
    ),
}


def function(name, returns, body):
    return (
        f"CREATE FUNCTION {name}() RETURNS {returns} LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        f"DROP FUNCTION {name}()",
    )


def steps():
    for what, (counting, tables) in COUNTED.items():
        for verb, (tables_named, changed) in CHANGED.items():
            name = f"corpus_tally_{what}_{verb}"
            yield function(name, "trigger", f"{counting(changed)}; RETURN NULL;")
            yield (
                f"CREATE TRIGGER {name} AFTER {verb} ON corpus_{what} REFERENCING {tables_named}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
                f"DROP TRIGGER {name} ON corpus_{what}",
            )
        gone = ", ".join(f"gone_{table} AS (DELETE FROM corpus_{table})" for table in tables)
        anew = counting(f"SELECT *, 1 AS sign FROM corpus_{what}").strip()
        anew = anew.removeprefix("WITH ")
        body = f"WITH {gone}{', ' if anew.startswith('changed AS') else ' '}{anew};"
        yield function(f"corpus_recount_{what}s", "void", body)
        yield (f"SELECT corpus_recount_{what}s()", "SELECT 1")


class Migration(migrations.Migration):
    dependencies = [("corpus", "0003_facets_and_tallies")]

    operations = [migrations.RunSQL(forwards, backwards) for forwards, backwards in steps()]
