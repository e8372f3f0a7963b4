from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0008_groups"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="sessions_ended_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Sessions from before are over, whatever else is changed later.",
                null=True,
            ),
        ),
    ]
