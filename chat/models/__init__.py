"""What PostgreSQL holds: people, rooms, the immutable event log and its projections."""

from chat.models.arrangements import RoomArrangement
from chat.models.audit import AuditEntry, AuditOutcome
from chat.models.events import (
    BatchEnd,
    EventReplacement,
    ExportedRoom,
    RoomEvent,
    ShardCursor,
)
from chat.models.mail import QueuedMail
from chat.models.mentions import Mention
from chat.models.messages import Message, Reaction, ReadMarker, Thread, ThreadFollow
from chat.models.people import ApiToken, User
from chat.models.people_groups import PeopleGroup, PeopleGroupMember
from chat.models.reports import Report
from chat.models.rooms import AbsentMute, Ban, InvitationCount, Membership, Room, RoomSeat

__all__ = [
    "AbsentMute",
    "ApiToken",
    "AuditEntry",
    "AuditOutcome",
    "Ban",
    "BatchEnd",
    "EventReplacement",
    "ExportedRoom",
    "InvitationCount",
    "Membership",
    "Mention",
    "Message",
    "PeopleGroup",
    "PeopleGroupMember",
    "QueuedMail",
    "Reaction",
    "ReadMarker",
    "Report",
    "Room",
    "RoomArrangement",
    "RoomEvent",
    "RoomSeat",
    "ShardCursor",
    "Thread",
    "ThreadFollow",
    "User",
]
