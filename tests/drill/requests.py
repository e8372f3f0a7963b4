"""A person's possible next requests: posts, replies in threads, edits, deletions and reactions, all
made at random."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from uuid_utils.compat import uuid7

from tests.drill.history import digest

TEXT = "nobody has lost a word of it вече собралось и решило 今日は ✓ on the square at noon"
WORDS = TEXT.split()
EMOJI = ("👍", "❤️", "🎉", "😀")
LONG_BODY_WORDS = 1_200
REMEMBERED = 30


@dataclass(eq=False)
class Request:
    """A person's request, with one key however often it is sent."""

    key: str
    room: int
    type: str  # of the event that it becomes
    frame: dict[str, Any]  # without `id`
    digest: str
    first_sent: float = 0.0
    not_before: float = 0.0
    tx: int | None = None  # its transmission without an answer so far
    sent: float = 0.0
    web: str = ""


@dataclass
class Memory:
    """The messages of a room that a person remembers, to act on them."""

    own: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    all: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Wishes:
    """Makes one person's requests; the same `pick` makes the same requests."""

    def __init__(self, pick: random.Random) -> None:
        self._pick = pick
        self.memories: defaultdict[int, Memory] = defaultdict(Memory)

    def posted(self, room: int, seq: int, *, own: bool) -> None:
        memory = self.memories[room]
        memory.all.append(seq)
        if own:
            memory.own.append(seq)

    def replied(self, room: int, seq: int) -> None:
        """A reply of one's own in a thread, which the room does not show."""
        self.memories[room].own.append(seq)

    def next(self, room: int) -> Request:
        memory = self.memories[room]
        dice = self._pick.random()
        if dice < 0.10 and memory.own:
            target = self._pick.choice(memory.own)
            return self._request("edit", "message.edited", room, target=target, body=self._body())
        if dice < 0.14 and memory.own:
            target = self._pick.choice(memory.own)
            return self._request("delete", "message.deleted", room, target=target)
        if dice < 0.30 and memory.all:
            on = self._pick.random() < 0.7
            kind = "reaction.added" if on else "reaction.removed"
            target, emoji = self._pick.choice(memory.all), self._pick.choice(EMOJI)
            request = self._request("react", kind, room, target=target, emoji=emoji)
            request.frame["on"] = on
            return request
        if dice < 0.45 and memory.all:
            return self._reply(room, self._pick.choice(memory.all), to_room=dice > 0.42)
        reply_to = self._pick.choice(memory.all) if memory.all and dice > 0.9 else None
        return self._request("send", "message.posted", room, body=self._body(), reply_to=reply_to)

    def _reply(self, room: int, root: int, *, to_room: bool) -> Request:
        body = self._body()
        kind = "message.posted" if to_room else "reply.posted"
        request = self._request(
            "reply", kind, room, root=root, body=body, reply_to=None, to_room=to_room
        )
        where = {"thread": root} if to_room else {"root": root}
        request.digest = digest({"body": body, "reply_to": None, **where})
        return request

    def _request(self, t: str, kind: str, room: int, **data: Any) -> Request:
        key = str(uuid7())
        frame = {"t": t, "room": room, "key": key, **data}
        return Request(key, room, kind, frame, digest(data))

    def _body(self) -> str:
        count = self._pick.randint(1, 30)
        if self._pick.random() < 0.01:
            count = LONG_BODY_WORDS
        # Numbered, so that hardly any two bodies are equal and a swap is noticed.
        number = self._pick.getrandbits(48)
        return f"{number:x} " + " ".join(self._pick.choices(WORDS, k=count))
