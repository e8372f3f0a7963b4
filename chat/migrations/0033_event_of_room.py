from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

ROOM_CHANGES = [
    "room.created",
    "room.updated",
    "room.archived",
    "member.joined",
    "member.left",
    "member.removed",
    "member.muted",
    "member.unmuted",
    "event.quarantined",
]


class Migration(migrations.Migration):
    atomic = False  # an index that is built concurrently has no transaction

    dependencies: ClassVar = [("chat", "0032_mutes_outlive_memberships")]

    operations: ClassVar = [
        # Building it takes as long as it takes; the limits are those of a connection at work.
        migrations.RunSQL(
            "SET statement_timeout = 0; SET lock_timeout = 0", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="roomevent",
            index=models.Index(
                fields=["room", "seq"],
                name="event_of_room",
                condition=models.Q(("type__in", ROOM_CHANGES)),
            ),
        ),
        migrations.RunSQL("RESET statement_timeout; RESET lock_timeout", migrations.RunSQL.noop),
    ]
