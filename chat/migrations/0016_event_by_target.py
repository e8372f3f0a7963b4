from django.contrib.postgres.operations import AddIndexConcurrently
import django.db.models.fields.json
import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index that is built concurrently has no transaction

    dependencies = [
        ("chat", "0015_message_words"),
    ]

    operations = [
        # Building it takes as long as it takes; the limits are those of a connection at work.
        migrations.RunSQL(
            "SET statement_timeout = 0; SET lock_timeout = 0", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="roomevent",
            index=models.Index(
                models.F("room"),
                django.db.models.functions.comparison.Cast(
                    django.db.models.fields.json.KeyTextTransform("target", "data"),
                    models.BigIntegerField(),
                ),
                models.F("seq"),
                condition=models.Q(
                    (
                        "type__in",
                        [
                            "message.edited",
                            "message.deleted",
                            "message.restored",
                            "reaction.added",
                            "reaction.removed",
                        ],
                    )
                ),
                name="event_by_target",
            ),
        ),
        migrations.RunSQL("RESET statement_timeout; RESET lock_timeout", migrations.RunSQL.noop),
    ]
