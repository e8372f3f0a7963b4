from django.db import migrations

# A look by an index for each room; running it again changes nothing.
FILL = """
    UPDATE chat_room SET last_stored_at = event.at FROM chat_roomevent AS event
    WHERE event.room_id = chat_room.id AND event.seq = chat_room.stored_seq
        AND chat_room.last_stored_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0026_room_last_stored_at"),
    ]

    operations = [
        migrations.RunSQL("SET LOCAL statement_timeout = 0", migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
