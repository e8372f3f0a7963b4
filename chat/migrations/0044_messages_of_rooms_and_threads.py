"""Indexes for the messages that a room shows, and for the replies of a thread.

Veche no longer uses `message_of_author_in_room` and `deleted_in_room`. The release before does: it
may run beside this one, and anybody may go back to it. So the database keeps them until the next
release drops them.
"""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

UNLIMITED = "SET statement_timeout = 0; SET lock_timeout = 0"
LIMITED = "RESET statement_timeout; RESET lock_timeout"
SHOWN = models.Q(("n", None), _negated=True)
IS_REPLY = models.Q(("thread", None), _negated=True)
INDEXES = [
    models.Index(fields=["room", "author", "seq"], name="shown_message_of_author", condition=SHOWN),
    models.Index(
        fields=["room", "seq"],
        name="deleted_shown_message",
        condition=models.Q(SHOWN, models.Q(("deleted_at", None), _negated=True)),
    ),
    models.Index(fields=["room", "seq"], name="shown_message", condition=SHOWN),
    models.Index(fields=["room", "thread", "seq"], name="reply_of_thread", condition=IS_REPLY),
    models.Index(
        fields=["room", "thread", "author", "seq"], name="reply_of_author", condition=IS_REPLY
    ),
]


class Migration(migrations.Migration):
    atomic = False  # an index that is built concurrently has no transaction

    dependencies: ClassVar = [("chat", "0043_threads")]

    operations: ClassVar = [
        # Building them takes as long as it takes; the limits are those of a connection at work.
        migrations.RunSQL(UNLIMITED, LIMITED),
        # What an attempt that was cut off has left.
        *[
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}", migrations.RunSQL.noop
            )
            for index in INDEXES
        ],
        *[AddIndexConcurrently(model_name="message", index=index) for index in INDEXES],
        migrations.RunSQL(LIMITED, UNLIMITED),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex(model_name="message", name="message_of_author_in_room"),
                migrations.RemoveIndex(model_name="message", name="deleted_in_room"),
            ]
        ),
    ]
