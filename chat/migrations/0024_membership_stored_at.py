import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0023_token_scopes_and_expiry"),
    ]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="stored_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                help_text="By PostgreSQL's clock: hubs look for the newest, whenever they were logged.",
            ),
        ),
    ]
