"""Who may do what: every role by every act, as a table, against the real log and PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from asgiref.sync import sync_to_async

from chat.actions import messages, moderation, people, reports, rooms
from chat.actions.recorded_act import Options
from chat.audit import permissions
from chat.audit.entries import Actor
from chat.audit.permissions import GROUPS, IN_ROOM, STAFF, Act
from chat.errors import ClientError
from chat.events import Role, RoomKind
from chat.models import Report, User
from tests.support.chat_world import by, make_user, store
from tests.support.moderation_world import make_staff
from tests.support.rooms import new_key

pytestmark = pytest.mark.django_db(transaction=True)

WHY = Options(reason="Somebody asked")

# A line for each act, a column for each actor: x for who may do it. Staff act in a room they are
# not in; `clerk` is staff without a group, `root` a superuser.
TABLE = """
                  | outsider member moderator owner | clerk moderators administrators auditors root
message.delete    |                 x         x     |       x          x                       x
message.restore   |                 x         x     |       x          x                       x
member.mute       |                 x         x     |       x          x                       x
member.unmute     |                 x         x     |       x          x                       x
member.remove     |                 x         x     |       x          x                       x
member.ban        |                 x         x     |       x          x                       x
member.unban      |                 x         x     |       x          x                       x
member.role       |                           x     |                  x                       x
room.slow_mode    |                 x         x     |       x          x                       x
room.archive      |                           x     |       x          x                       x
room.unarchive    |                           x     |       x          x                       x
person.mute       |                                 |       x          x                       x
person.unmute     |                                 |       x          x                       x
person.deactivate |                                 |                  x                       x
person.reactivate |                                 |                  x                       x
report.assign     |                 x         x     |       x          x                       x
report.dismiss    |                 x         x     |       x          x                       x
report.resolve    |                 x         x     |       x          x                       x
"""
# Rights that are asked for by pages alone, as permissions.
PAGES = """
                    | clerk moderators administrators auditors root
room.read           |       x                                  x
history.export      |       x          x                       x
audit.export        |                  x              x        x
room.verify         |                  x              x        x
dead_letter.retry   |                  x                       x
dead_letter.release |                  x                       x
dead_letter.discard |                  x                       x
shard.resume        |                  x                       x
person.create       |                  x                       x
person.edit         |                  x                       x
person.groups       |                  x                       x
people_group.create |                  x                       x
people_group.edit   |                  x                       x
people_group.delete |                  x                       x
"""


def cells(table: str) -> dict[str, dict[str, bool]]:
    """Actor → act → allowed. A mark stands under the first letter of its actor."""
    head, *lines = table.strip("\n").splitlines()
    starts = {name: head.index(name) for name in head.replace("|", " ").split()}
    # `moderator` is also the beginning of `moderators`.
    starts = {name: head.index(f" {name} ") + 1 if f" {name} " in head else at
              for name, at in starts.items()}  # fmt: skip
    return {
        name: {line.split()[0]: line.ljust(len(head) + 1)[at] == "x" for line in lines}
        for name, at in starts.items()
    }


ROOM_AND_STAFF, OF_PAGES = cells(TABLE), cells(PAGES)


def test_tables_name_every_act_that_there_is_a_right_for() -> None:
    named = {*next(iter(ROOM_AND_STAFF.values())), *next(iter(OF_PAGES.values()))}

    assert named <= {str(action) for action in STAFF}
    assert {str(action) for action in IN_ROOM} <= named
    # What others add has to be put into one of the tables too.
    assert {str(action) for action in STAFF} - named <= {
        "person.sessions",
        "person.password",
        "token.revoke",
    }


@dataclass
class Scene:
    """A public room, and for every act a person, a message and a report that it is done to."""

    room: int
    actors: dict[str, User]
    subjects: dict[str, User] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    reports: dict[str, int] = field(default_factory=dict)


async def make_scene(actor: str) -> Scene:
    owner = await make_user("first")
    room = await rooms.create_room(owner.pk, "Plans", RoomKind.PUBLIC)
    who = await make_actor(actor, owner, room.pk)
    scene = Scene(room.pk, {actor: who, "first": owner})
    reporter = await make_user("reporter")
    await rooms.join_room(reporter.pk, room.pk)
    for number, act in enumerate(ROOM_AND_STAFF[actor]):
        subject = scene.subjects[act] = await make_user(f"subject-{number}")
        await rooms.join_room(subject.pk, room.pk)
        posted = await messages.post_message(subject.pk, room.pk, new_key(), "hello")
        seq = scene.seqs[act] = posted.event.seq
        if act.startswith("report."):
            made = await reports.report_message(reporter.pk, room.pk, seq, "spam")
            scene.reports[act] = made.pk
    first = by(owner)
    await moderation.delete_message(first, room.pk, scene.seqs["message.restore"], WHY)
    await moderation.mute_member(first, room.pk, scene.subjects["member.unmute"].pk, 600, WHY)
    await moderation.ban_member(first, room.pk, scene.subjects["member.unban"].pk, WHY)
    await store(room.pk)
    return scene


async def make_actor(actor: str, owner: User, room: int) -> User:
    if actor in {"outsider", "member", "moderator", "owner"}:
        user = await make_user("actor")
        if actor != "outsider":
            await rooms.join_room(user.pk, room)
            await moderation.set_role(by(owner), room, user.pk, Role(actor))
        return user
    groups = {"moderators": "moderator", "administrators": "administrator", "auditors": "auditor"}
    chosen = [groups[actor]] if actor in groups else []
    return await make_staff("actor", *chosen, is_superuser=actor == "root")


Do = Callable[[Actor, Scene, str], Awaitable[object]]

ACTS: dict[str, Do] = {
    "message.delete": lambda w, s, a: moderation.delete_message(w, s.room, s.seqs[a], WHY),
    "message.restore": lambda w, s, a: moderation.restore_message(w, s.room, s.seqs[a], WHY),
    "member.mute": lambda w, s, a: moderation.mute_member(w, s.room, s.subjects[a].pk, 60, WHY),
    "member.unmute": lambda w, s, a: moderation.unmute_member(w, s.room, s.subjects[a].pk, WHY),
    "member.remove": lambda w, s, a: moderation.remove_member(w, s.room, s.subjects[a].pk, WHY),
    "member.ban": lambda w, s, a: moderation.ban_member(w, s.room, s.subjects[a].pk, WHY),
    "member.unban": lambda w, s, a: moderation.unban_member(w, s.room, s.subjects[a].pk, WHY),
    "member.role": lambda w, s, a: moderation.set_role(
        w, s.room, s.subjects[a].pk, Role.MODERATOR, WHY
    ),
    "room.slow_mode": lambda w, s, _: moderation.set_slow_mode(w, s.room, 5, WHY),
    "person.mute": lambda w, s, a: people.mute_person(w, s.subjects[a].pk, 60, WHY),
    "person.unmute": lambda w, s, a: people.unmute_person(w, s.subjects[a].pk, WHY),
    "person.deactivate": lambda w, s, a: people.deactivate_person(w, s.subjects[a].pk, WHY),
    "person.reactivate": lambda w, s, a: people.reactivate_person(w, s.subjects[a].pk, WHY),
    "report.assign": lambda w, s, a: reports.assign(w, s.reports[a], w.user_id, "Mine"),
    "report.dismiss": lambda w, s, a: reports.dismiss(w, s.reports[a], "Nothing"),
    "report.resolve": lambda w, s, a: reports.resolve(
        w, s.reports[a], Act.MESSAGE_DELETE, options=WHY
    ),
    # Last: nobody writes in an archived room.
    "room.archive": lambda w, s, _: moderation.archive_room(w, s.room, True, WHY),
    "room.unarchive": lambda w, s, _: moderation.archive_room(w, s.room, False, WHY),
}


@pytest.mark.parametrize("actor", ROOM_AND_STAFF)
async def test_every_act_is_done_or_refused_as_the_table_says(actor: str) -> None:
    scene = await make_scene(actor)
    user = scene.actors[actor]
    who = by(user, staff=user.is_staff)
    assert ACTS.keys() == ROOM_AND_STAFF[actor].keys()

    done: dict[str, bool] = {}
    codes: set[str] = set()
    for act, do in ACTS.items():
        try:
            await do(who, scene, act)
            done[act] = True
        except ClientError as refused:
            done[act] = False
            codes.add(refused.code)

    assert done == ROOM_AND_STAFF[actor]
    # Nothing else may be the reason, or the table would prove nothing.
    assert codes <= {"forbidden", "not_member", "not_found"}
    if actor != "outsider":
        assert "not_member" not in codes


@pytest.mark.parametrize("actor", OF_PAGES)
async def test_rights_of_pages_are_as_the_table_says(actor: str) -> None:
    owner = await make_user("first")
    user = await make_actor(actor, owner, 0)

    allowed = {
        act: await sync_to_async(permissions.staff_may)(user, Act(act)) for act in OF_PAGES[actor]
    }

    assert allowed == OF_PAGES[actor]


async def test_rights_of_staff_end_with_their_being_staff() -> None:
    user = await make_staff("actor", "moderator", "administrator")
    user.is_staff = False
    await user.asave()
    owner = await make_user("first")
    room = await rooms.create_room(owner.pk, "Plans", RoomKind.PUBLIC)

    with pytest.raises(ClientError) as refused:
        await moderation.archive_room(by(user, staff=True), room.pk, True, WHY)

    assert refused.value.code == "forbidden"


async def test_claiming_the_rights_of_staff_gives_nobody_any() -> None:
    owner, other = await make_user("first"), await make_user("other")
    room = await rooms.create_room(owner.pk, "Plans", RoomKind.PUBLIC)

    for user in (owner, other):
        with pytest.raises(ClientError) as refused:
            await moderation.archive_room(by(user, staff=True), room.pk, True, WHY)
        assert refused.value.code == "forbidden"
    assert not await Report.objects.aexists()


def test_no_group_both_reads_private_rooms_and_keeps_the_record_of_it() -> None:
    for group, permissions_of_group in GROUPS.items():
        both = {"chat.view_private_rooms", "chat.view_audit"} <= permissions_of_group
        assert not both, group
    assert "chat.view_private_rooms" not in GROUPS["administrator"]
