from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0021_epochs_are_times"),
    ]

    operations = [
        migrations.AddField(
            model_name="shardcursor",
            name="bus_id",
            # With a default in the database, processes of the old code can go on beside it.
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Export: which bus of that kind; on Kafka the topic's id and its "
                "partitions.",
                max_length=100,
            ),
        ),
    ]
