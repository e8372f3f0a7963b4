"""Emoji that were counted with and without U+FE0F are counted as one. May be repeated."""

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
        cursor.execute("SELECT DISTINCT emoji FROM analytics_emojiday")
        for (stored,) in cursor.fetchall():
            form = forms.get(stored.replace("\ufe0f", ""), stored)
            if form == stored:
                continue
            cursor.execute(
                "WITH gone AS (DELETE FROM analytics_emojiday WHERE emoji = %s RETURNING *) "
                "INSERT INTO analytics_emojiday AS old (room, day, emoji, added, removed) "
                "SELECT room, day, %s, added, removed FROM gone "
                "ON CONFLICT (room, day, emoji) DO UPDATE SET "
                "added = old.added + excluded.added, removed = old.removed + excluded.removed",
                [stored, form],
            )


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0002_joins_and_departures"),
    ]

    operations = [
        migrations.RunPython(bring_into_one_form, migrations.RunPython.noop),
    ]
