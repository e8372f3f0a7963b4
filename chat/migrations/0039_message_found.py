import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

UNLIMITED = "SET statement_timeout = 0; SET lock_timeout = 0"
LIMITED = "RESET statement_timeout; RESET lock_timeout"


class Migration(migrations.Migration):
    atomic = False  # an index that is built concurrently has no transaction

    dependencies = [
        ("chat", "0038_what_a_message_is_found_by"),
    ]

    operations = [
        # Building it takes as long as it takes; the limits are those of a connection at work.
        migrations.RunSQL(UNLIMITED, LIMITED),
        # What an attempt that was cut off has left.
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS message_found", migrations.RunSQL.noop
        ),
        AddIndexConcurrently(
            model_name="message",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(
                    models.F("room_id"),
                    models.F("body"),
                    function="chat_words",
                    output_field=django.contrib.postgres.search.SearchVectorField(),
                ),
                name="message_found",
            ),
        ),
        migrations.RunSQL(LIMITED, UNLIMITED),
    ]
