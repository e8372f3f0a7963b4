import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="EventReplacement",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("shard", models.SmallIntegerField()),
                (
                    "letter",
                    models.CharField(
                        help_text="Id of the dead letter that was retried.", max_length=40
                    ),
                ),
                ("replaced_at", models.DateTimeField()),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                (
                    "event",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replacements",
                        to="chat.roomevent",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("published_at", None)),
                        fields=["shard", "id"],
                        name="replacement_to_publish",
                    ),
                    models.Index(fields=["event"], name="replacement_by_event"),
                ],
            },
        ),
    ]
