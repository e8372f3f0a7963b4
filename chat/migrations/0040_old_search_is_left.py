"""Veche no longer uses the column `search` and the indexes `message_search` and `message_words`.

The release before does: it may run beside this one, and anybody may go back to it. So the database
keeps them, as they are, until the next release drops them.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0039_message_found"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex(model_name="message", name="message_search"),
                migrations.RemoveIndex(model_name="message", name="message_words"),
                migrations.RemoveField(model_name="message", name="search"),
            ]
        ),
    ]
