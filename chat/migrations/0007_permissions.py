from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0006_audit_log"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="message",
            options={
                "permissions": [
                    ("moderate_messages", "Can delete and restore messages in all rooms"),
                    ("view_history", "Can read the history of public rooms"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="room",
            options={
                "ordering": ["name"],
                "permissions": [
                    ("moderate_rooms", "Can archive rooms and set their slow mode"),
                    ("manage_roles", "Can change the roles of members and act on staff"),
                    ("view_private_rooms", "Can read private rooms, on record"),
                ],
            },
        ),
        migrations.AlterModelOptions(
            name="shardcursor",
            options={
                "permissions": [
                    ("view_delivery", "Can see how far rooms and shards are"),
                    ("run_verification", "Can verify the delivery of a room"),
                    ("view_dead_letters", "Can list dead letters, without what people wrote"),
                    ("retry_dead_letters", "Can retry dead letters"),
                    ("discard_dead_letters", "Can discard dead letters"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": [
                    (
                        "moderate_people",
                        "Can mute, remove and ban people in all rooms, and mute everywhere",
                    ),
                    ("deactivate_people", "Can deactivate and reactivate people"),
                ],
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
        ),
    ]
