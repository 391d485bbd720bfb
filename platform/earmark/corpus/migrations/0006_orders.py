from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("corpus", "0005_uploads")]

    operations = [
        migrations.AddIndex(
            model_name="clip",
            index=models.Index(fields=["facet", "speaker", "id"], name="clip_by_voice"),
        ),
        migrations.AddIndex(
            model_name="reference",
            index=models.Index(
                fields=["created_at"],
                name="reference_by_people",
                condition=Q(("is_current", True), Q(("kind", "imported"), _negated=True)),
            ),
        ),
    ]
