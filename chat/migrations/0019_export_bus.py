from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0018_labels_of_the_admin"),
    ]

    operations = [
        migrations.AddField(
            model_name="shardcursor",
            name="bus",
            # With a default in the database, processes of the old code can go on beside it.
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Export: the event bus that has what is up to the position.",
                max_length=20,
            ),
        ),
    ]
