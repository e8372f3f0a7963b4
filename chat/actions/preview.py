"""What an act would touch, counted in PostgreSQL before anybody decides. Changes nothing.

PostgreSQL's view is a moment old; what is refused in the end is up to the append.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from allauth.usersessions.models import UserSession
from django.db.models import Q

from chat.accounts import tokens
from chat.audit.entries import Kind
from chat.audit.permissions import Act
from chat.events import Role, RoomKind
from chat.models import Ban, Membership, Message, Reaction, Room, User

# Of a message (room, seq), of a member (room, user), of a person (user,), of a room (room,).
TargetIds = tuple[int, ...]

MAX_TARGETS = 200

KINDS: dict[Act, Kind] = {
    Act.MESSAGE_DELETE: Kind.MESSAGE,
    Act.MESSAGE_RESTORE: Kind.MESSAGE,
    Act.MEMBER_MUTE: Kind.MEMBER,
    Act.MEMBER_UNMUTE: Kind.MEMBER,
    Act.MEMBER_REMOVE: Kind.MEMBER,
    Act.MEMBER_BAN: Kind.MEMBER,
    Act.MEMBER_UNBAN: Kind.MEMBER,
    Act.MEMBER_ROLE: Kind.MEMBER,
    Act.ROOM_SLOW_MODE: Kind.ROOM,
    Act.ROOM_ARCHIVE: Kind.ROOM,
    Act.ROOM_UNARCHIVE: Kind.ROOM,
    Act.PERSON_MUTE: Kind.PERSON,
    Act.PERSON_UNMUTE: Kind.PERSON,
    Act.PERSON_DEACTIVATE: Kind.PERSON,
    Act.PERSON_REACTIVATE: Kind.PERSON,
}


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What the act would do to one target.

    `counts`: name → number, for `rooms`, `messages`, `reactions`, `members`, `sessions`
    and `tokens`. `problem`: why the act would change nothing or be refused. `warning`: what else it
    would do. Both are codes, empty when there is none.
    """

    target: TargetIds
    counts: dict[str, int]
    problem: str = ""
    warning: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    effects: list[Effect]
    totals: dict[str, int]


def preview(act: Act, targets: Sequence[TargetIds]) -> Preview:
    """What `act` would do to each of `targets`.

    `problem` is one of not_found, unchanged, direct, last_owner; `warning` is last_owner.

    Raises: ValueError for more than `MAX_TARGETS`, or an act that has no preview.
    """
    if len(targets) > MAX_TARGETS:
        raise ValueError(f"At most {MAX_TARGETS} at a time.")
    kind = KINDS.get(act)
    if kind is None:
        raise ValueError("This act has no preview.")
    of_one = {
        Kind.MESSAGE: _message,
        Kind.MEMBER: _member,
        Kind.ROOM: _room,
        Kind.PERSON: _person,
    }[kind]
    effects = [of_one(act, ids) for ids in targets]
    return Preview(effects=effects, totals=_totals(effects, kind))


def _totals(effects: Iterable[Effect], kind: Kind) -> dict[str, int]:
    """Sums of what would happen; a room that several targets are in counts once."""
    happening = [effect for effect in effects if not effect.problem]
    totals: Counter[str] = Counter()
    for effect in happening:
        totals.update(effect.counts)
    if kind != Kind.PERSON and happening:
        totals["rooms"] = len({effect.target[0] for effect in happening})
    return dict(totals)


def _message(act: Act, ids: TargetIds) -> Effect:
    room, seq = ids
    row = Message.objects.filter(room_id=room, seq=seq).values_list("deleted_at").first()
    if row is None:
        return Effect(target=ids, counts={}, problem="not_found")
    deleted = row[0] is not None
    if deleted == (act == Act.MESSAGE_DELETE):
        return Effect(target=ids, counts={}, problem="unchanged")
    counts = {
        "rooms": 1,
        "messages": 1,
        "reactions": Reaction.objects.filter(room_id=room, target=seq).count(),
    }
    return Effect(target=ids, counts=counts)


def _member(act: Act, ids: TargetIds) -> Effect:
    room, user = ids
    kind = Room.objects.filter(pk=room).values_list("kind", flat=True).first()
    membership = Membership.objects.filter(room_id=room, user_id=user).first()
    banned = Ban.objects.filter(room_id=room, user_id=user).exists()
    problem = warning = ""
    if kind is None or not User.objects.filter(pk=user).exists():
        problem = "not_found"
    elif kind == RoomKind.DIRECT and act not in (Act.MEMBER_MUTE, Act.MEMBER_UNMUTE):
        problem = "direct"
    elif act in (Act.MEMBER_BAN, Act.MEMBER_UNBAN):
        problem = "unchanged" if banned == (act == Act.MEMBER_BAN) else ""
    elif membership is None:
        problem = "not_found"
    if not problem and membership is not None and _is_last_owner(room, membership):
        if act == Act.MEMBER_ROLE:
            problem = "last_owner"
        elif act in (Act.MEMBER_REMOVE, Act.MEMBER_BAN):
            warning = "last_owner"
    return Effect(target=ids, counts={"rooms": 1}, problem=problem, warning=warning)


def _is_last_owner(room: int, membership: Membership) -> bool:
    owners = Membership.objects.filter(room_id=room, role=Role.OWNER)
    return membership.role == Role.OWNER and owners.count() == 1


def _room(act: Act, ids: TargetIds) -> Effect:
    (room_id,) = ids
    room = Room.objects.filter(pk=room_id).first()
    if room is None:
        return Effect(target=ids, counts={}, problem="not_found")
    if room.kind == RoomKind.DIRECT:
        return Effect(target=ids, counts={}, problem="direct")
    members = Membership.objects.filter(room=room)
    if act == Act.ROOM_SLOW_MODE:
        members = members.filter(role=Role.MEMBER)
    elif (room.archived_at is not None) == (act == Act.ROOM_ARCHIVE):
        return Effect(target=ids, counts={}, problem="unchanged")
    return Effect(target=ids, counts={"rooms": 1, "members": members.count()})


def _person(act: Act, ids: TargetIds) -> Effect:
    (user_id,) = ids
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return Effect(target=ids, counts={}, problem="not_found")
    memberships = Membership.objects.filter(user=user)
    counts = {"rooms": memberships.count()}
    if act == Act.PERSON_DEACTIVATE:
        counts["tokens"] = tokens.live_tokens(user.pk).count()
        counts["sessions"] = sum(one.exists() for one in UserSession.objects.filter(user=user))
    switches = act in (Act.PERSON_DEACTIVATE, Act.PERSON_REACTIVATE)
    if switches and user.is_active == (act == Act.PERSON_REACTIVATE):
        return Effect(target=ids, counts={}, problem="unchanged")
    owned = memberships.filter(role=Role.OWNER).values_list("room_id", flat=True)
    shared = Membership.objects.filter(
        ~Q(user=user), room_id__in=list(owned), role=Role.OWNER
    ).values_list("room_id", flat=True)
    alone = bool(set(owned) - set(shared)) and act == Act.PERSON_DEACTIVATE
    return Effect(target=ids, counts=counts, warning="last_owner" if alone else "")
