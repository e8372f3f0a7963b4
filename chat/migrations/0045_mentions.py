"""Groups of people, and what messages mention: new tables. Old messages mention nobody."""

from typing import ClassVar

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("chat", "0044_messages_of_rooms_and_threads"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="PeopleGroup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "handle",
                    models.CharField(
                        help_text="What people write after the @.",
                        max_length=40,
                        unique=True,
                        verbose_name="handle",
                    ),
                ),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                (
                    "skeletons",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        editable=False,
                        help_text="What the handle has in common with all that look like it.",
                        size=None,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
            ],
            options={
                "verbose_name": "group of people",
                "verbose_name_plural": "groups of people",
                "ordering": ["handle"],
                "default_permissions": (),
            },
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="target_kind",
            field=models.CharField(
                choices=[
                    ("message", "Message"),
                    ("member", "Member of a room"),
                    ("person", "Person"),
                    ("room", "Room"),
                    ("report", "Report"),
                    ("dead_letter", "Dead letter"),
                    ("shard", "Shard"),
                    ("people_group", "Group of people"),
                    ("audit", "Audit log"),
                ],
                max_length=12,
            ),
        ),
        migrations.CreateModel(
            name="Mention",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seq", models.BigIntegerField(help_text="seq of the message in the room.")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("person", "Person"),
                            ("group", "Group"),
                            ("room", "Room"),
                            ("all", "All"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "target",
                    models.BigIntegerField(
                        help_text="Id of the person, the group or the room; 0 for all. No foreign key: a group may be deleted, and the message stays what it is."
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="As it is in the text; `room` or `here`.", max_length=80
                    ),
                ),
                ("at", models.DateTimeField(help_text="When the message was logged.")),
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
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["kind", "target", "room", "seq"], name="mention_in_room"),
                    models.Index(fields=["kind", "target", "at"], name="mention_by_time"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("room", "seq", "kind", "name"),
                        name="one_mention_per_message_and_name",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PeopleGroupMember",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="chat.peoplegroup",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="people_groups",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("group", "user"), name="one_place_in_a_people_group"
                    )
                ],
            },
        ),
    ]
