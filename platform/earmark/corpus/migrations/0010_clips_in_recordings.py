import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("corpus", "0009_clip_expected_error_rate")]

    operations = [
        migrations.AddIndex(
            model_name="clip",
            index=models.Index(
                condition=models.Q(("is_current", True)),
                fields=["recording", "start", "id"],
                name="clip_in_recording",
            ),
        ),
        migrations.AlterField(
            model_name="clip",
            name="recording",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="clips",
                to="corpus.recording",
            ),
        ),
    ]
