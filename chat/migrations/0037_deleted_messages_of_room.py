from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index that is built concurrently has no transaction

    dependencies: ClassVar = [("chat", "0036_messages_of_author_in_room")]

    operations: ClassVar = [
        # Building it takes as long as it takes; the limits are those of a connection at work.
        migrations.RunSQL(
            "SET statement_timeout = 0; SET lock_timeout = 0", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(
                fields=["room", "seq"],
                name="deleted_in_room",
                condition=models.Q(("deleted_at", None), _negated=True),
            ),
        ),
        migrations.RunSQL("RESET statement_timeout; RESET lock_timeout", migrations.RunSQL.noop),
    ]
