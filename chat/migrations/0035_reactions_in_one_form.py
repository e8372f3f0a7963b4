"""Reactions that were stored with and without U+FE0F become one; see `chat.events.emoji`.

Only rows in another form than the canonical one are touched; there are few. May be repeated.
"""

import emoji
from django.db import migrations


def bring_into_one_form(apps, schema_editor):
    forms = {
        text.replace("\ufe0f", ""): text
        for text, about in emoji.EMOJI_DATA.items()
        if about["status"] == emoji.STATUS["fully_qualified"]
    }
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT DISTINCT emoji FROM chat_reaction")
        for (stored,) in cursor.fetchall():
            form = forms.get(stored.replace("\ufe0f", ""), stored)
            if form == stored:
                continue
            # Of a person who has both, one is left.
            cursor.execute(
                "DELETE FROM chat_reaction AS other USING chat_reaction AS kept "
                "WHERE other.emoji = %s AND kept.emoji = %s AND other.room_id = kept.room_id "
                "AND other.target = kept.target AND other.user_id = kept.user_id",
                [stored, form],
            )
            cursor.execute("UPDATE chat_reaction SET emoji = %s WHERE emoji = %s", [form, stored])


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0034_mutes_in_force"),
    ]

    operations = [
        migrations.RunPython(bring_into_one_form, migrations.RunPython.noop),
    ]
