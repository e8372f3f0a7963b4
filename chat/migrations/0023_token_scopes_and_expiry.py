from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Tokens from before have all scopes and no end, as they had: both defaults say so."""

    dependencies: ClassVar = [("chat", "0022_export_bus_id")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="apitoken",
            name="expires_at",
            field=models.DateTimeField(
                blank=True, help_text="Empty: it does not.", null=True, verbose_name="expires at"
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="scopes",
            field=models.CharField(
                db_default="read write moderate",
                help_text="Names of `chat.protocol.scopes.Scope`, separated by spaces.",
                max_length=80,
                verbose_name="scopes",
            ),
        ),
    ]
