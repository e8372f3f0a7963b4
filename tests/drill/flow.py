"""How long it takes after a fault until messages flow again, as people notice it."""

from __future__ import annotations

from collections.abc import Collection

import msgspec


class Flow(msgspec.Struct, kw_only=True):
    """Seconds from the moment at which a fault was healed, or a part killed, to the first …

    … acknowledgement of a request sent after it; ✓✓ of such a message; such a message that reached
    somebody on another web process (so through the bus); moment when every sender has an
    acknowledgement; sign of life of the web process that the fault hit: a welcome or an
    acknowledgement. None: not yet, or not measured.
    """

    acknowledged: float | None = None
    stored: float | None = None
    delivered: float | None = None
    everyone: float | None = None
    restored: float | None = None


class FlowWatch:
    """Watches the clients from the moment `began` on. All times are the recorder's."""

    def __init__(self, began: float, senders: Collection[str], web: str | None = None) -> None:
        self.began = began
        self.flow = Flow()
        self._web = web
        self._silent = set(senders)
        self._logged: dict[int, int] = {}  # room → first seq that was logged since

    def acknowledged(
        self, client: str, web: str, room: int, seq: int, sent: float, now: float
    ) -> None:
        if sent < self.began:
            return
        self._silent.discard(client)
        self._logged.setdefault(room, seq)
        if self.flow.acknowledged is None:
            self.flow.acknowledged = now - self.began
        if self.flow.everyone is None and not self._silent:
            self.flow.everyone = now - self.began
        self.welcomed(web, sent, now)

    def welcomed(self, web: str, asked: float, now: float) -> None:
        if self.flow.restored is None and web == self._web and asked >= self.began:
            self.flow.restored = now - self.began

    def stored(self, room: int, seq: int, now: float) -> None:
        if self.flow.stored is None and self._logged.get(room, seq + 1) <= seq:
            self.flow.stored = now - self.began

    def delivered(self, sent: float, from_web: str, to_web: str, now: float) -> None:
        if self.flow.delivered is None and sent >= self.began and from_web != to_web:
            self.flow.delivered = now - self.began

    def is_complete(self) -> bool:
        flow = self.flow
        wanted = [flow.acknowledged, flow.stored, flow.delivered, flow.everyone]
        if self._web is not None:
            wanted.append(flow.restored)
        return None not in wanted
