from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("corpus", "0007_covering_orders")]

    operations = [
        migrations.AddIndex(
            model_name="recording",
            index=models.Index(fields=["collection", "id"], name="recording_by_arrival"),
        ),
    ]
