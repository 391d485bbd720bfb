"""Copy the champions' confidences and flags to the clips."""

from django.db import migrations

SHOW = """
    UPDATE corpus_clip AS clip
    SET confidence = heard.confidence, flags = coalesce(array_to_string(heard.flags, ','), '')
    FROM recognition_hypothesis AS heard JOIN recognition_alias AS alias USING (model_id)
    WHERE heard.clip_id = clip.id AND alias.collection_id = clip.collection_id AND alias.name = 'champion'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("recognition", "0002_transcription_failure"),
        ("corpus", "0004_tallies_kept_by_triggers"),
    ]

    operations = [migrations.RunSQL(SHOW, migrations.RunSQL.noop)]
