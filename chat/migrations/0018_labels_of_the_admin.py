"""What people read about fields. Nothing in the database changes."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0017_batch_ends"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apitoken",
            options={
                "ordering": ["-created_at"],
                "verbose_name": "API token",
                "verbose_name_plural": "API tokens",
            },
        ),
        migrations.AlterModelOptions(
            name="room",
            options={
                "ordering": ["name"],
                "permissions": [
                    ("moderate_rooms", "Can archive rooms and set their slow mode"),
                    ("manage_roles", "Can change the roles of members and act on staff"),
                    ("view_private_rooms", "Can read private rooms, on record"),
                ],
                "verbose_name": "room",
                "verbose_name_plural": "rooms",
            },
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="created_at",
            field=models.DateTimeField(auto_now_add=True, verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="last_used_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last used at"),
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="name",
            field=models.CharField(max_length=80, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="prefix",
            field=models.CharField(
                help_text="First characters of the token, to recognise it by.",
                max_length=12,
                verbose_name="beginning",
            ),
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="revoked_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="revoked at"),
        ),
        migrations.AlterField(
            model_name="apitoken",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="api_tokens",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AlterField(
            model_name="room",
            name="archived_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="archived at"),
        ),
        migrations.AlterField(
            model_name="room",
            name="created_at",
            field=models.DateTimeField(auto_now_add=True, verbose_name="created at"),
        ),
        migrations.AlterField(
            model_name="room",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="created by",
            ),
        ),
        migrations.AlterField(
            model_name="room",
            name="kind",
            field=models.CharField(
                choices=[("public", "public"), ("private", "private"), ("direct", "direct")],
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="room",
            name="name",
            field=models.CharField(max_length=80, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="room",
            name="slow_mode_seconds",
            field=models.IntegerField(
                db_default=0,
                default=0,
                help_text="A member waits so long between two messages; 0: not at all.",
                verbose_name="slow mode, seconds",
            ),
        ),
        migrations.AlterField(
            model_name="room",
            name="slug",
            field=models.SlugField(
                allow_unicode=True, max_length=80, unique=True, verbose_name="address"
            ),
        ),
        migrations.AlterField(
            model_name="room",
            name="stored_n",
            field=models.BigIntegerField(default=0, verbose_name="messages stored"),
        ),
        migrations.AlterField(
            model_name="room",
            name="stored_seq",
            field=models.BigIntegerField(default=0, verbose_name="stored up to seq"),
        ),
        migrations.AlterField(
            model_name="room",
            name="topic",
            field=models.CharField(blank=True, max_length=250, verbose_name="topic"),
        ),
        migrations.AlterField(
            model_name="user",
            name="deactivated_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when “active” is off; empty while it is on.",
                null=True,
                verbose_name="deactivated at",
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="display_name",
            field=models.CharField(blank=True, max_length=80, verbose_name="display name"),
        ),
        migrations.AlterField(
            model_name="user",
            name="muted_until",
            field=models.DateTimeField(
                blank=True,
                help_text="May write nothing in any room until then.",
                null=True,
                verbose_name="muted until",
            ),
        ),
    ]
