"""`read` frames: what a person reads on one device counts as read on their other devices too."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from chat.hints import to_hubs
from chat.hub.read_markers import Moved
from chat.hub.sockets import HubSocket
from chat.protocol import ReadNotice

# Keeps a channel-layer message small, like those that carry events.
MARKERS_PER_MESSAGE = 500


def publish(moved: Sequence[Moved], hub: str) -> None:
    """Hint to all hubs but the named one: where else a person is connected is not known."""
    for start in range(0, len(moved), MARKERS_PER_MESSAGE):
        part = moved[start : start + MARKERS_PER_MESSAGE]
        markers = [[one.user_id, one.room, one.seq, one.n, one.set_at_ms] for one in part]
        to_hubs.publisher().to_hubs({"type": "read", "from": hub, "markers": markers})


def tell(socket: HubSocket, moved: Moved) -> None:
    """Tell one of the person's connections, or keep the marker until it has the room."""
    if socket.greeted and moved.room in socket.rooms:
        set_at_ms = moved.set_at_ms or UNSET
        socket.send(ReadNotice(room=moved.room, seq=moved.seq, n=moved.n, set_at_ms=set_at_ms))
    elif not socket.greeted or moved.room in socket.entered_meanwhile:
        # The room data that it is about to get may have been read before the marker moved.
        before = socket.read_meanwhile.get(moved.room)
        if before is None or (before.set_at_ms, before.seq) < (moved.set_at_ms, moved.seq):
            socket.read_meanwhile[moved.room] = moved


def tell_set(socket: HubSocket, frame: str) -> None:
    """Tell one of the person's connections of markers that they set by hand."""
    if socket.greeted:
        socket.send_text(frame)
    else:
        # The list of rooms that it is about to get may have been read before.
        socket.set_meanwhile.append(frame)


def catch_up(socket: HubSocket, room: int | None = None) -> None:
    """Tell the kept markers: of all rooms, or of the one room that the connection now has."""
    while socket.greeted and socket.set_meanwhile:
        socket.send_text(socket.set_meanwhile.popleft())
    rooms = list(socket.read_meanwhile) if room is None else [room]
    for each in rooms:
        if (moved := socket.read_meanwhile.pop(each, None)) is not None:
            tell(socket, moved)
