from typing import ClassVar

from django.db import migrations

# Mutes that are in force and were lost when their person left: of members, and of who is outside.
# They are read from all events, which may be millions, and so without a limit, and in a transaction
# of their own that holds no table.
IN_FORCE = """
    SET LOCAL statement_timeout = 0;
    CREATE TEMPORARY TABLE mutes_in_force ON COMMIT DROP AS
    SELECT room_id, user_id, until FROM (
        SELECT DISTINCT ON (room_id, data->>'user') room_id, (data->>'user')::bigint AS user_id,
               CASE WHEN type = 'member.muted' THEN (data->>'until')::timestamptz END AS until
        FROM chat_roomevent
        WHERE type IN ('member.muted', 'member.unmuted') AND data->>'everywhere' IS NULL
        ORDER BY room_id, data->>'user', seq DESC
    ) AS last
    JOIN chat_user AS person ON person.id = last.user_id
    WHERE until > now();
    UPDATE chat_membership AS member SET muted_until = mute.until
    FROM mutes_in_force AS mute
    WHERE member.room_id = mute.room_id AND member.user_id = mute.user_id;
    INSERT INTO chat_absentmute (room_id, user_id, until)
    SELECT room_id, user_id, until FROM mutes_in_force AS mute
    WHERE NOT EXISTS (
        SELECT FROM chat_membership
        WHERE room_id = mute.room_id AND user_id = mute.user_id);
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("chat", "0033_event_of_room")]

    operations: ClassVar = [migrations.RunSQL(IN_FORCE, migrations.RunSQL.noop)]
