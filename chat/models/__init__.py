"""What PostgreSQL holds: people, rooms, the immutable event log and the projections of it."""

from chat.models.events import EventReplacement, ExportedRoom, RoomEvent, ShardCursor
from chat.models.messages import Message, Reaction, ReadMarker
from chat.models.people import ApiToken, User
from chat.models.rooms import Membership, Room

__all__ = [
    "ApiToken",
    "EventReplacement",
    "ExportedRoom",
    "Membership",
    "Message",
    "Reaction",
    "ReadMarker",
    "Room",
    "RoomEvent",
    "ShardCursor",
    "User",
]
