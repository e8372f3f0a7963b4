"""The right to see the numbers of all rooms, which all staff had until now: for administrators."""

from django.db import migrations

CODENAME, NAME = "view_analytics", "Can see the numbers of all rooms"


def give(apps, schema_editor):
    """Django makes permissions only after all migrations, so this one is made here."""
    room, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="chat", model="room"
    )
    right, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=room, codename=CODENAME, defaults={"name": NAME}
    )
    for group in apps.get_model("auth", "Group").objects.filter(name="administrator"):
        group.permissions.add(right)


def take(apps, schema_editor):
    for group in apps.get_model("auth", "Group").objects.filter(name="administrator"):
        group.permissions.remove(*group.permissions.filter(codename=CODENAME))


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0019_export_bus"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="room",
            options={
                "ordering": ["name"],
                "permissions": [
                    ("moderate_rooms", "Can archive rooms and set their slow mode"),
                    ("manage_roles", "Can change the roles of members and act on staff"),
                    ("view_private_rooms", "Can read private rooms, on record"),
                    (CODENAME, NAME),
                ],
                "verbose_name": "room",
                "verbose_name_plural": "rooms",
            },
        ),
        migrations.RunPython(give, take),
    ]
