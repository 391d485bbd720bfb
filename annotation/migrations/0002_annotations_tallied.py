"""Triggers that keep the tally of annotations, and the function that makes it anew."""

from django.db import migrations, models

COUNTED = """
    INSERT INTO annotation_annotationtally (collection_id, annotator, number, samples)
    SELECT of_round.collection_id, changed.annotator, sum(sign), sum(sign * round(clip.seconds * 16000)::bigint)
    FROM ({changed}) AS changed
    JOIN annotation_roundclip AS place ON place.id = changed.round_clip_id
    JOIN annotation_round AS of_round ON of_round.id = place.round_id
    JOIN corpus_clip AS clip ON clip.id = place.clip_id
    WHERE changed.deleted_at IS NULL
    GROUP BY of_round.collection_id, changed.annotator
    HAVING sum(sign) <> 0 OR sum(sign * round(clip.seconds * 16000)::bigint) <> 0
"""
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
    for verb, (named, changed) in CHANGED.items():
        name = f"annotation_tally_{verb}"
        yield function(name, "trigger", f"{COUNTED.format(changed=changed)}; RETURN NULL;")
        yield (
            f"CREATE TRIGGER {name} AFTER {verb} ON annotation_annotation REFERENCING {named}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
            f"DROP TRIGGER {name} ON annotation_annotation",
        )
    anew = COUNTED.format(changed="SELECT *, 1 AS sign FROM annotation_annotation")
    gone = "WITH gone AS (DELETE FROM annotation_annotationtally)"
    yield function("annotation_recount", "void", f"{gone} {anew};")
    yield ("SELECT annotation_recount()", "SELECT 1")


class Migration(migrations.Migration):
    dependencies = [("annotation", "0001_initial"), ("corpus", "0007_covering_orders")]

    operations = [
        migrations.CreateModel(
            name="AnnotationTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField()),
                ("samples", models.BigIntegerField()),
                ("annotator", models.CharField(max_length=150)),
                (
                    "collection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to="corpus.collection",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        *(migrations.RunSQL(forwards, backwards) for forwards, backwards in steps()),
    ]
