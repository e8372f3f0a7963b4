from functools import cache

from django.db import migrations

# What each group may do, as it is when the group is made; from then on it is the operator's.
# `chat.audit.permissions.GROUPS` says the same, and a test compares the two.
GROUPS = {
    "moderator": [
        ("message", "view_history"),
        ("message", "moderate_messages"),
        ("room", "view_private_rooms"),
        ("room", "moderate_rooms"),
        ("user", "moderate_people"),
        ("report", "resolve_reports"),
    ],
    "administrator": [
        ("message", "view_history"),
        ("message", "moderate_messages"),
        ("room", "moderate_rooms"),
        ("room", "manage_roles"),
        ("user", "moderate_people"),
        ("user", "deactivate_people"),
        ("report", "resolve_reports"),
        ("shardcursor", "view_delivery"),
        ("shardcursor", "run_verification"),
        ("shardcursor", "view_dead_letters"),
        ("shardcursor", "retry_dead_letters"),
        ("shardcursor", "discard_dead_letters"),
        ("auditentry", "view_audit"),
    ],
    "auditor": [
        ("auditentry", "view_audit"),
        ("shardcursor", "view_delivery"),
        ("shardcursor", "run_verification"),
    ],
}


def make_groups(apps, schema_editor):
    """Makes the groups that are missing. Django makes permissions only after all migrations, so
    those that the groups need are made here."""
    content_type = apps.get_model("contenttypes", "ContentType")
    permission = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group")

    @cache
    def about(model):
        return content_type.objects.get_or_create(app_label="chat", model=model)[0]

    @cache
    def needed(model, codename):
        options = dict(apps.get_model("chat", model)._meta.permissions)
        found, _ = permission.objects.get_or_create(
            content_type=about(model), codename=codename, defaults={"name": options[codename]}
        )
        return found

    for name, permissions in GROUPS.items():
        made, is_new = group.objects.get_or_create(name=name)
        if is_new:
            made.permissions.add(*(needed(*one) for one in permissions))


def remove_groups(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0007_permissions"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, remove_groups)]
