"""How people have arranged their lists of rooms: a table of its own, empty at first."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0045_mentions")]

    operations = [
        migrations.CreateModel(
            name="RoomArrangement",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="room_arrangement",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("version", models.BigIntegerField()),
                ("layout", models.JSONField()),
            ],
        ),
    ]
