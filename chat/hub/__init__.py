"""Live delivery: one hub per web process instead of one subscription per connection.

Messages of the channel layer, msgpack dicts (see `chat.hints.to_hubs`):

| Group | Message |
|---|---|
| `room.<id>` | `{type: events, room, epoch, first, last, at_ms, special, events}`: JSON as bytes |
| `room.<id>` | `{type: typing, room, user}` · `{type: presence, room, online, offline}` |
| `room.<id>` | `{type: replaced, room, seq}`: a placeholder became the event it stood for |
| `hubs` | `{type: stored, rooms: {room: seq}, direct, opened}` |
| `hubs` | `{type: reset, shard, epoch}`: the log has a new epoch · `{type: joined, user, room}` |
| `hubs` | `{type: revoke, user, session}`: close these sockets; `session` None stands for all |
| `hubs` | `{type: report, user, report, state}`: for a moderator, or for who reported |
| `hubs` | `{type: read, from, markers: [(user, room, seq, n)]}`; `from` is the hub that sent it |
| `hubs` | `{type: person, user}`: a `UserInfo` that has changed |

`direct` is `{room: (user, user, seq, n)}` of the direct rooms in which messages were stored, with
the place before the first of them. `opened` lists rooms that are no longer archived. Both may be
missing.
"""

from __future__ import annotations

from contextvars import Context

from django.conf import settings

from chat.hub import announcing, heartbeat, pulse
from chat.hub.core import Hub
from chat.hub.logged_rooms import LoggedRooms
from chat.metrics import catalogue as metrics
from chat.resilience.per_loop import PerLoop

__all__ = ["Hub", "close", "drain", "draining", "hub"]

_draining = False


def hub() -> Hub:
    """The running loop's hub, started on first use."""
    return _hubs.get()


def _new_hub() -> Hub:
    env = settings.ENV
    made = Hub(
        LoggedRooms(),
        shards=env.shards,
        max_sockets=env.max_sockets,
        max_sockets_per_user=env.max_sockets_per_user,
        sends_per_second=env.sends_per_second,
        sends_burst=env.sends_burst,
    )
    made.draining = _draining
    # In a context of their own: their log lines do not belong to the first connection.
    Context().run(_start, made)
    return made


_hubs = PerLoop(_new_hub)


def _start(hub: Hub) -> None:
    hub.start()
    hub.spawn(heartbeat.run(hub), "heartbeat")
    hub.spawn(pulse.pulse(hub), "pulse")
    hub.spawn(announcing.announce(hub), "announcement")


def draining() -> bool:
    """Whether this process is letting its connections go."""
    return _draining


async def drain() -> None:
    """At shutdown: say `bye`, wait for appends under way and close every connection."""
    global _draining
    _draining = True
    metrics.DRAINING.set(1)
    found = _hubs.if_made()
    if found is not None:
        await found.drain(settings.ENV.drain_seconds / 2)


async def close() -> None:
    """End the running loop's hub and all of its tasks."""
    found = _hubs.take()
    if found is not None:
        await found.close_down()
