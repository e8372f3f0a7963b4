"""Read markers know when their owner set them by hand. New columns with constant defaults: no table
is rewritten, and old processes go on inserting rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0041_search_takes_apart_faster")]

    operations = [
        migrations.AddField("readmarker", "set_at_ms", models.BigIntegerField(db_default=0)),
        migrations.AddField("readmarker", "put_back_from", models.BigIntegerField(db_default=0)),
    ]
