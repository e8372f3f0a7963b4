"""Replies in threads are counted. Consumers of the release before go on: the database fills in 0."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0003_emoji_in_one_form"),
    ]

    operations = [
        migrations.AddField(
            model_name=name,
            name="replies",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="`reply.posted` events: replies that only their thread shows.",
            ),
        )
        for name in ("dayrollup", "minuterollup", "quarterrollup")
    ]
