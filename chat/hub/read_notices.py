"""`read` frames: what somebody reads on one device is read on their others too."""

from __future__ import annotations

from collections.abc import Sequence

from chat.hints import to_hubs
from chat.hub.read_markers import Moved
from chat.hub.sockets import HubSocket
from chat.protocol import ReadNotice

# One message of the layer stays small, as those of events do.
MARKERS_PER_MESSAGE = 500


def publish(moved: Sequence[Moved], hub: str) -> None:
    """Hint to all hubs but the one of that name: nobody knows where else a person is connected."""
    for start in range(0, len(moved), MARKERS_PER_MESSAGE):
        part = moved[start : start + MARKERS_PER_MESSAGE]
        markers = [[one.user_id, one.room, one.seq, one.n] for one in part]
        to_hubs.publisher().to_hubs({"type": "read", "from": hub, "markers": markers})


def tell(socket: HubSocket, moved: Moved) -> None:
    """Tell one of the person's connections, or keep it until it has got the room."""
    if socket.greeted and moved.room in socket.rooms:
        socket.send(ReadNotice(room=moved.room, seq=moved.seq, n=moved.n))
    elif not socket.greeted or moved.room in socket.entered_meanwhile:
        # What it is about to get of the room may have been looked up before the marker moved.
        before = socket.read_meanwhile.get(moved.room)
        if before is None or before.seq < moved.seq:
            socket.read_meanwhile[moved.room] = moved


def catch_up(socket: HubSocket, room: int | None = None) -> None:
    """Tell what was kept: of all rooms, or of the one that the connection has got now."""
    rooms = list(socket.read_meanwhile) if room is None else [room]
    for each in rooms:
        if (moved := socket.read_meanwhile.pop(each, None)) is not None:
            tell(socket, moved)
