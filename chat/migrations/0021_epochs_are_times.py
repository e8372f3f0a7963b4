from django.db import migrations, models


class Migration(migrations.Migration):
    """Room for epochs that are times in ms.

    PostgreSQL writes the event table anew for it, under a lock that keeps readers out. What is
    sent meanwhile is acknowledged by the log and stored afterwards.
    """

    dependencies = [
        ("chat", "0020_view_analytics"),
    ]

    operations = [
        # Writing takes as long as it takes. Waiting for the lock does not, as readers queue behind.
        migrations.RunSQL(
            "SET LOCAL statement_timeout = 0",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="roomevent",
            name="epoch",
            field=models.BigIntegerField(),
        ),
        migrations.AlterField(
            model_name="shardcursor",
            name="epoch",
            field=models.BigIntegerField(
                default=0, help_text="Never given out twice. 0: the shard has never had a log."
            ),
        ),
        migrations.AddField(
            model_name="shardcursor",
            name="epochs_begun",
            # With a default in the database, processes of the old code can go on beside it.
            field=models.IntegerField(
                db_default=0, default=0, help_text="How many epochs the shard has had."
            ),
        ),
        # Until now an epoch was the number of the epochs before it and itself.
        migrations.RunSQL(
            "UPDATE chat_shardcursor SET epochs_begun = epoch", migrations.RunSQL.noop
        ),
    ]
