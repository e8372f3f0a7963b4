"""Groups of people: one name for one thing, within limits, and on record."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from chat.accounts.adapter import AccountAdapter
from chat.actions import people_groups
from chat.audit.permissions import Act
from chat.models import AuditEntry, PeopleGroup, PeopleGroupMember, User
from tests.support.chat_world import by

pytestmark = pytest.mark.django_db


def person(name: str) -> User:
    return User.objects.create_user(name)


def made(handle: str, *members: User, by_whom: User | None = None) -> PeopleGroup:
    group = PeopleGroup(handle=handle, name="A group")
    staff = by_whom or User.objects.get_or_create(username="chief")[0]
    people_groups.save(by(staff, staff=True), group, [member.pk for member in members])
    return group


@pytest.mark.parametrize(
    "handle",
    [
        "room",
        "here",
        "all",
        "everyone",
        "channel",
        "Here",
        "r00m2!",
        "a b",
        "x",
        "админ",
        "anna",
        "аnna",
    ],
)
def test_handle_that_is_reserved_taken_or_no_name_is_refused(handle: str) -> None:
    person("anna")

    with pytest.raises(ValidationError):
        made(handle)
    assert not PeopleGroup.objects.exists()


@pytest.mark.parametrize("alike", ["backend", "Back-End", "backendl"])
def test_names_of_groups_and_people_do_not_look_alike(alike: str) -> None:
    made("backend" if alike != "backendl" else "backendi")

    with pytest.raises(ValidationError):
        made(alike)
    with pytest.raises(ValidationError):
        AccountAdapter().clean_username(alike)
    assert AccountAdapter().clean_username("frontend") == "frontend"


@pytest.mark.parametrize("name", ["room", "Room"])
def test_nobody_is_called_like_the_mention_of_all(name: str) -> None:
    with pytest.raises(ValidationError):
        AccountAdapter().clean_username(name)


def test_every_change_is_on_record() -> None:
    ann, bob, chief = person("ann"), person("bob"), person("chief")
    group = made("backend", ann, by_whom=chief)
    group.handle = "platform"
    people_groups.save(by(chief, staff=True), group, [bob.pk])
    people_groups.save(by(chief, staff=True), group, [bob.pk])  # changes nothing
    pk = group.pk
    people_groups.delete(by(chief, staff=True), group)

    entries = AuditEntry.objects.filter(target_kind="people_group", target_id=str(pk))
    assert [(entry.action, entry.before, entry.after) for entry in entries.order_by("id")] == [
        (
            Act.PEOPLE_GROUP_CREATE,
            None,
            {"handle": "backend", "members": 1, "added": [ann.pk], "removed": []},
        ),
        (
            Act.PEOPLE_GROUP_EDIT,
            {"handle": "backend"},
            {"handle": "platform", "members": 1, "added": [bob.pk], "removed": [ann.pk]},
        ),
        (Act.PEOPLE_GROUP_DELETE, {"handle": "platform", "members": 1}, None),
    ]


def test_limits_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = person("ann"), person("bob")
    monkeypatch.setattr(people_groups, "MAX_MEMBERS", 1)
    monkeypatch.setattr(people_groups, "MAX_GROUPS", 2)
    monkeypatch.setattr(people_groups, "MAX_GROUPS_OF_PERSON", 1)

    with pytest.raises(ValidationError, match="at most 1"):
        made("backend", ann, bob)
    made("backend", ann)
    with pytest.raises(ValidationError, match="in 1 groups already"):
        made("frontend", ann)
    made("frontend", bob)
    with pytest.raises(ValidationError, match="too many groups"):
        made("platform")
    assert PeopleGroupMember.objects.count() == 2
