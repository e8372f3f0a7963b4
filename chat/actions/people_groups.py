"""Groups of people, such as `@backend`: staff make, change and delete them, on record.

A group is a name for some people, not a right: whoever is in it and in the room is meant when a
message mentions it. Functions use the ORM; each is one transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from chat.accounts import shown_names
from chat.audit import entries as audit
from chat.audit.entries import Actor, Kind, NewEntry, Target
from chat.audit.permissions import Act
from chat.errors import ClientError
from chat.models import PeopleGroup, PeopleGroupMember, User
from chat.names import look_alikes, usernames
from chat.names.labels import check_room_name

# I8. The page has all groups at hand, and everybody's own with every message.
MAX_GROUPS = 500
MAX_MEMBERS = 1_000
MAX_GROUPS_OF_PERSON = 100
# Ids of people that an audit entry names; more are a number.
MAX_ON_RECORD = 100


def check_handle(handle: str, group: int | None = None) -> str:
    """The normalised handle of a group (of a new one: None) that looks like nobody's user name and
    like no other group's handle.

    Raises: ValidationError that says what is wrong.
    """
    handle = usernames.normalise(handle)
    usernames.check_username(handle)
    skeletons = sorted(look_alikes.skeletons(handle))
    people = User.objects.filter(username_skeletons__overlap=skeletons)
    groups = PeopleGroup.objects.filter(skeletons__overlap=skeletons)
    if group is not None:
        groups = groups.exclude(pk=group)
    if people.exists() or groups.exists():
        raise ValidationError(_("A person or group with such a name exists already."), code="taken")
    return handle


def check_name(name: str) -> str:
    """Raises: ValidationError."""
    try:
        return check_room_name(name)
    except ClientError as refused:
        raise ValidationError(_("This name contains characters that cannot be shown.")) from refused


def save(by: Actor, group: PeopleGroup, members: Collection[int]) -> None:
    """Writes a new group, or the changes of one, with exactly these members.

    Raises: ValidationError when the handle is taken or there are too many groups or members.
    """
    with transaction.atomic():
        _one_at_a_time()
        before = PeopleGroup.objects.filter(pk=group.pk).first()
        group.handle = check_handle(group.handle, None if before is None else before.pk)
        group.name = check_name(group.name)
        group.skeletons = sorted(look_alikes.skeletons(group.handle))
        if before is None and PeopleGroup.objects.count() >= MAX_GROUPS:
            raise ValidationError(_("There are too many groups."), code="groups")
        group.save()
        added, removed = _set_members(group, set(members))
        changed = before is None or (before.handle, before.name) != (group.handle, group.name)
        if changed or added or removed:
            audit.record(
                NewEntry(
                    by=by,
                    action=Act.PEOPLE_GROUP_CREATE if before is None else Act.PEOPLE_GROUP_EDIT,
                    target=_target(group),
                    before=None if before is None else {"handle": before.handle},
                    after={
                        "handle": group.handle,
                        "members": len(set(members)),
                        "added": _on_record(added),
                        "removed": _on_record(removed),
                    },
                )
            )


def delete(by: Actor, group: PeopleGroup) -> None:
    """Deletes a group. Messages that mentioned it keep the mention, which then means nobody."""
    with transaction.atomic():
        members = PeopleGroupMember.objects.filter(group=group).count()
        audit.record(
            NewEntry(
                by=by,
                action=Act.PEOPLE_GROUP_DELETE,
                target=_target(group),
                before={"handle": group.handle, "members": members},
            )
        )
        group.delete()


def _set_members(group: PeopleGroup, wanted: set[int]) -> tuple[set[int], set[int]]:
    """Who was added and who was removed."""
    if len(wanted) > MAX_MEMBERS:
        raise ValidationError(
            _("A group has at most %(number)s people."),
            code="members",
            params={"number": MAX_MEMBERS},
        )
    present = set(group.members.values_list("user_id", flat=True))
    added, removed = wanted - present, present - wanted
    full = (
        User.objects.filter(pk__in=added)
        .annotate(number=Count("people_groups"))
        .filter(number__gte=MAX_GROUPS_OF_PERSON)
        .first()
    )
    if full is not None:
        raise ValidationError(
            _("%(person)s is in %(number)s groups already."),
            code="groups_of_person",
            params={"person": full.username, "number": MAX_GROUPS_OF_PERSON},
        )
    PeopleGroupMember.objects.filter(group=group, user_id__in=removed).delete()
    PeopleGroupMember.objects.bulk_create(
        PeopleGroupMember(group=group, user_id=user) for user in sorted(added)
    )
    return added, removed


def _one_at_a_time() -> None:
    """Two changes at once would not see each other's names."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [shown_names.LOCK])


def _target(group: PeopleGroup) -> Target:
    return Target(kind=Kind.PEOPLE_GROUP, id=str(group.pk))


def _on_record(people: set[int]) -> list[int] | int:
    return sorted(people) if len(people) <= MAX_ON_RECORD else len(people)
