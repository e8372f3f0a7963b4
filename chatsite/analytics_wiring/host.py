"""The chat as the host of the analytics: this module is an `analytics.host.Host`."""

from chat.queries.analytics_host import (
    is_administrator,
    may_look_inside,
    names_of,
    newest_event_at,
    own_traffic,
    page_before_all_rooms,
    room_for,
    rooms_owned_by,
)
from chat.resilience.backoff import delay_seconds as back_off
from chat.servers.postgres import in_database
from chat.tracing.tracing import rolled_up
from chatsite.analytics_wiring.dead_letters import new_dead_letters
from chatsite.observability.start import begin as begin_process

__all__ = [
    "back_off",
    "begin_process",
    "in_database",
    "is_administrator",
    "may_look_inside",
    "names_of",
    "new_dead_letters",
    "newest_event_at",
    "own_traffic",
    "page_before_all_rooms",
    "rolled_up",
    "room_for",
    "rooms_owned_by",
]
