"""Who may do what to other people: one table for staff, one for the roles in a room.

Staff have rights in all rooms, through the permissions of their groups. Owners and moderators have
rights in their room, through their role. Actions and entry points ask here and nowhere else;
docs/moderation.md shows the same tables.
"""

from __future__ import annotations

from enum import StrEnum

from chat.errors import ClientError
from chat.events import Role
from chat.models import User


class Act(StrEnum):
    """What staff, owners and moderators do to others: each is on record in the audit log."""

    MESSAGE_DELETE = "message.delete"
    MESSAGE_RESTORE = "message.restore"
    MEMBER_MUTE = "member.mute"
    MEMBER_UNMUTE = "member.unmute"
    MEMBER_REMOVE = "member.remove"
    MEMBER_BAN = "member.ban"
    MEMBER_UNBAN = "member.unban"
    MEMBER_ROLE = "member.role"
    ROOM_SLOW_MODE = "room.slow_mode"
    ROOM_ARCHIVE = "room.archive"
    ROOM_UNARCHIVE = "room.unarchive"
    ROOM_READ = "room.read"
    PERSON_MUTE = "person.mute"
    PERSON_UNMUTE = "person.unmute"
    PERSON_DEACTIVATE = "person.deactivate"
    PERSON_REACTIVATE = "person.reactivate"
    PERSON_CREATE = "person.create"
    PERSON_EDIT = "person.edit"
    PERSON_GROUPS = "person.groups"
    PERSON_SESSIONS = "person.sessions"
    PEOPLE_GROUP_CREATE = "people_group.create"
    PEOPLE_GROUP_EDIT = "people_group.edit"
    PEOPLE_GROUP_DELETE = "people_group.delete"
    PERSON_PASSWORD = "person.password"  # noqa: S105 - the name of an act
    TOKEN_REVOKE = "token.revoke"  # noqa: S105 - likewise
    REPORT_ASSIGN = "report.assign"
    REPORT_DISMISS = "report.dismiss"
    REPORT_RESOLVE = "report.resolve"
    DEAD_LETTER_RETRY = "dead_letter.retry"
    DEAD_LETTER_RELEASE = "dead_letter.release"
    DEAD_LETTER_DISCARD = "dead_letter.discard"
    SHARD_RESUME = "shard.resume"
    ROOM_VERIFY = "room.verify"
    HISTORY_EXPORT = "history.export"
    AUDIT_EXPORT = "audit.export"


# The permission that staff need for an act, in any room and on anybody.
STAFF: dict[Act, str] = {
    Act.MESSAGE_DELETE: "chat.moderate_messages",
    Act.MESSAGE_RESTORE: "chat.moderate_messages",
    Act.MEMBER_MUTE: "chat.moderate_people",
    Act.MEMBER_UNMUTE: "chat.moderate_people",
    Act.MEMBER_REMOVE: "chat.moderate_people",
    Act.MEMBER_BAN: "chat.moderate_people",
    Act.MEMBER_UNBAN: "chat.moderate_people",
    Act.MEMBER_ROLE: "chat.manage_roles",
    Act.ROOM_SLOW_MODE: "chat.moderate_rooms",
    Act.ROOM_ARCHIVE: "chat.moderate_rooms",
    Act.ROOM_UNARCHIVE: "chat.moderate_rooms",
    Act.ROOM_READ: "chat.view_private_rooms",
    Act.PERSON_MUTE: "chat.moderate_people",
    Act.PERSON_UNMUTE: "chat.moderate_people",
    Act.PERSON_DEACTIVATE: "chat.deactivate_people",
    Act.PERSON_REACTIVATE: "chat.deactivate_people",
    Act.PERSON_CREATE: "chat.manage_roles",
    Act.PERSON_EDIT: "chat.manage_roles",
    Act.PERSON_GROUPS: "chat.manage_roles",
    Act.PERSON_SESSIONS: "chat.deactivate_people",
    Act.PERSON_PASSWORD: "chat.manage_roles",
    Act.PEOPLE_GROUP_CREATE: "chat.manage_roles",
    Act.PEOPLE_GROUP_EDIT: "chat.manage_roles",
    Act.PEOPLE_GROUP_DELETE: "chat.manage_roles",
    Act.TOKEN_REVOKE: "chat.deactivate_people",
    Act.REPORT_ASSIGN: "chat.resolve_reports",
    Act.REPORT_DISMISS: "chat.resolve_reports",
    Act.REPORT_RESOLVE: "chat.resolve_reports",
    Act.DEAD_LETTER_RETRY: "chat.retry_dead_letters",
    Act.DEAD_LETTER_RELEASE: "chat.retry_dead_letters",
    Act.DEAD_LETTER_DISCARD: "chat.discard_dead_letters",
    Act.SHARD_RESUME: "chat.retry_dead_letters",
    Act.ROOM_VERIFY: "chat.run_verification",
    Act.HISTORY_EXPORT: "chat.view_history",
    Act.AUDIT_EXPORT: "chat.view_audit",
}

# The lowest role that lets a member do an act in their room. `append.lua` has the same rules and
# the last word. Besides, nobody may act on somebody of their own rank or above.
IN_ROOM: dict[Act, Role] = {
    Act.MESSAGE_DELETE: Role.MODERATOR,
    Act.MESSAGE_RESTORE: Role.MODERATOR,
    Act.MEMBER_MUTE: Role.MODERATOR,
    Act.MEMBER_UNMUTE: Role.MODERATOR,
    Act.MEMBER_REMOVE: Role.MODERATOR,
    Act.MEMBER_BAN: Role.MODERATOR,
    Act.MEMBER_UNBAN: Role.MODERATOR,
    Act.MEMBER_ROLE: Role.OWNER,
    Act.ROOM_SLOW_MODE: Role.MODERATOR,
    Act.ROOM_ARCHIVE: Role.OWNER,
    Act.ROOM_UNARCHIVE: Role.OWNER,
    Act.REPORT_ASSIGN: Role.MODERATOR,
    Act.REPORT_DISMISS: Role.MODERATOR,
    Act.REPORT_RESOLVE: Role.MODERATOR,
}

# The lowest role that sees the room's audit log and reports.
SEES_AUDIT_AND_REPORTS = Role.MODERATOR

RANK = {Role.MEMBER: 1, Role.MODERATOR: 2, Role.OWNER: 3}

# Groups and their permissions as migrations 0008 and 0020 make them. Staff who retry dead letters
# do not read private rooms, and staff who read private rooms do not keep the audit log.
GROUPS: dict[str, frozenset[str]] = {
    "moderator": frozenset(
        {
            "chat.view_history",
            "chat.moderate_messages",
            "chat.view_private_rooms",
            "chat.moderate_rooms",
            "chat.moderate_people",
            "chat.resolve_reports",
        }
    ),
    "administrator": frozenset(
        {
            "chat.view_history",
            "chat.moderate_messages",
            "chat.moderate_rooms",
            "chat.manage_roles",
            "chat.moderate_people",
            "chat.deactivate_people",
            "chat.resolve_reports",
            "chat.view_delivery",
            "chat.run_verification",
            "chat.view_dead_letters",
            "chat.retry_dead_letters",
            "chat.discard_dead_letters",
            "chat.view_audit",
            "chat.view_analytics",
        }
    ),
    "auditor": frozenset({"chat.view_audit", "chat.view_delivery", "chat.run_verification"}),
}


# Any of these permissions opens the list of people, or of rooms, in the admin.
LOOK_AT_PEOPLE = (
    "chat.moderate_people",
    "chat.deactivate_people",
    "chat.manage_roles",
    "chat.view_user",
)
LOOK_AT_ROOMS = (
    "chat.moderate_rooms",
    "chat.moderate_people",
    "chat.view_delivery",
    "chat.view_room",
)
LOOK_AT_TOKENS = ("chat.manage_roles", "chat.deactivate_people", "chat.view_apitoken")
LOOK_AT_GROUPS = ("chat.manage_roles", "chat.view_audit", "auth.view_group")


def staff_may(user: User, act: Act) -> bool:
    """Whether staff may do an act. A user's permissions are read from PostgreSQL once."""
    return user.is_active and user.is_staff and user.has_perm(STAFF[act])


def role_may(role: Role | None, act: Act) -> bool:
    """Whether a member with that role may do an act in their room; None means no member."""
    least = IN_ROOM.get(act)
    return role is not None and least is not None and RANK[role] >= RANK[least]


def check_staff(user: User, act: Act) -> None:
    """Raises: ClientError `forbidden`."""
    if not staff_may(user, act):
        raise ClientError("forbidden", "You may not do this.")


def check_subject(actor: User, subject: User) -> None:
    """Checks that staff may act on a person: not themselves, and other staff only from above.

    Otherwise one moderator gone rogue, or with a stolen session, could shut all others out.

    Raises: ClientError `forbidden`.
    """
    if actor.pk == subject.pk:
        raise ClientError("forbidden", "You cannot do this to yourself.")
    if subject.is_superuser and not actor.is_superuser:
        raise ClientError("forbidden", "Only a superuser may do this to a superuser.")
    if subject.is_staff and not actor.has_perm("chat.manage_roles"):
        raise ClientError("forbidden", "Only administrators may do this to staff.")
