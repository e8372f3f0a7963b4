from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0025_membership_by_storing"),
    ]

    operations = [
        migrations.AddField(
            model_name="room",
            name="last_stored_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When something of the room was last stored, by PostgreSQL's clock.",
                null=True,
            ),
        ),
    ]
