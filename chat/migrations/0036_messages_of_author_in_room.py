from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index that is built concurrently has no transaction

    dependencies: ClassVar = [("chat", "0035_reactions_in_one_form")]

    operations: ClassVar = [
        # Building it takes as long as it takes; the limits are those of a connection at work.
        migrations.RunSQL(
            "SET statement_timeout = 0; SET lock_timeout = 0", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(fields=["room", "author", "seq"], name="message_of_author_in_room"),
        ),
        migrations.RunSQL("RESET statement_timeout; RESET lock_timeout", migrations.RunSQL.noop),
    ]
