from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    """Skeletons of people's names; `chat.accounts.shown_names` fills them in right after the migrations."""

    dependencies: ClassVar = [("chat", "0028_queued_mail")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="user",
            name="name_skeletons",
            field=ArrayField(
                models.TextField(),
                editable=False,
                help_text="What the shown name has in common with all that look like it; "
                "null: not known.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="username_skeletons",
            field=ArrayField(models.TextField(), editable=False, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="name_is_shared",
            field=models.BooleanField(
                db_default=False,
                editable=False,
                help_text="Somebody else's shown name or user name looks like the shown name.",
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=GinIndex(fields=["name_skeletons"], name="people_by_name_skeleton"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=GinIndex(fields=["username_skeletons"], name="people_by_username_skeleton"),
        ),
    ]
