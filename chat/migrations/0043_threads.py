"""Replies in threads: new tables, and two changes of `chat_message` that touch no row."""

from typing import ClassVar

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

TYPES = [
    "room.created",
    "room.updated",
    "room.archived",
    "member.joined",
    "member.left",
    "member.removed",
    "member.muted",
    "member.unmuted",
    "message.posted",
    "message.edited",
    "message.deleted",
    "message.restored",
    "reaction.added",
    "reaction.removed",
    "reply.posted",
    "event.quarantined",
]


class Migration(migrations.Migration):
    dependencies: ClassVar = [("chat", "0042_markers_set_by_hand")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="message",
            name="thread",
            field=models.BigIntegerField(
                blank=True, help_text="seq of the root in the room, for a reply.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="n",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="roomevent",
            name="type",
            field=models.CharField(choices=[(kind, kind) for kind in TYPES], max_length=32),
        ),
        migrations.CreateModel(
            name="Thread",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("root", models.BigIntegerField(help_text="seq of the message in the room.")),
                ("replies", models.BigIntegerField()),
                ("people", models.BigIntegerField(help_text="How many have replied.")),
                (
                    "first_people",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(),
                        help_text="The first of them, in order.",
                        size=None,
                    ),
                ),
                ("last_seq", models.BigIntegerField()),
                ("last_at", models.DateTimeField()),
                (
                    "room",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="chat.room",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("room", "root"), name="one_thread_per_root")
                ],
            },
        ),
        migrations.CreateModel(
            name="ThreadFollow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "root",
                    models.BigIntegerField(help_text="seq of the thread's root in the room."),
                ),
                ("following", models.BooleanField(null=True)),
                ("read_seq", models.BigIntegerField()),
                (
                    "room",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="chat.room",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "room", "root"), name="one_follow_per_person_and_thread"
                    )
                ],
            },
        ),
    ]
