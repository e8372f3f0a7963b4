"""The room log gives each event its place, and has it on disk before anyone is told.

Entry points use these functions. Behind them is one Redis-protocol server whose append-only file
is flushed before every answer (`chat.servers.redis_durability`), and PostgreSQL for rooms that are
not in the log (`loading`).
"""

from chat.room_log.appender import append, close, waiting
from chat.room_log.codec import Appended, NewEvent
from chat.room_log.loading import ensure_loaded
from chat.room_log.reading import (
    RoomState,
    epochs_of,
    hot_events,
    hot_events_up_to,
    hot_part,
    members_among,
    roles,
    room_states,
    states_and_roles,
)

__all__ = [
    "Appended",
    "NewEvent",
    "RoomState",
    "append",
    "close",
    "ensure_loaded",
    "epochs_of",
    "hot_events",
    "hot_events_up_to",
    "hot_part",
    "members_among",
    "roles",
    "room_states",
    "states_and_roles",
    "waiting",
]
