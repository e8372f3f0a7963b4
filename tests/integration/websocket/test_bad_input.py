"""Whatever a client sends: a typed error or a close code, nothing stored, nobody else affected.

The numbers are those of the list of inputs that must be refused. Text that only looks dangerous
(15 to 17) is not refused: it is text, and comes back letter for letter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from websockets.exceptions import ConnectionClosed

from chat.actions import moderation, rooms
from chat.models import RoomEvent, User
from chat.protocol import MAX_FRAME_BYTES
from localstack.raw_sockets import (
    BINARY,
    CLOSE,
    CONTINUE,
    PING,
    TEXT,
    RawSocket,
    frame,
    upgrade,
)
from localstack.web_process import WebProcess
from tests.support.chat_world import by, log_of, store
from tests.support.moderation_world import WHY
from tests.support.rooms import key_at, new_key, new_person, new_room
from tests.support.web_process import ORIGIN, ChatClient, Frame, session_cookie, web_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

PROTOCOL = (b"Sec-WebSocket-Protocol", b"veche.v1")
GOOD_ORIGIN = (b"Origin", ORIGIN.encode())
NO_ROOM = {"not_found", "not_member"}


@dataclass(frozen=True)
class People:
    """Anna watches, Boris attacks, Clara is elsewhere. Signing in is slow, so they do it once."""

    anna: User
    boris: User
    clara: User
    anna_cookie: str
    boris_cookie: str

    @classmethod
    async def make(cls) -> People:
        anna, boris, clara = [await new_person(name) for name in ("anna", "boris", "clara")]
        cookies = [await sync_to_async(session_cookie)(user) for user in (anna, boris)]
        return cls(anna, boris, clara, *cookies)


@dataclass(frozen=True)
class World:
    """Anna's room with Boris in it, and Clara's, which they cannot see."""

    server: WebProcess
    people: People
    room: int
    other_room: int

    @property
    def anna(self) -> User:
        return self.people.anna

    @property
    def boris(self) -> User:
        return self.people.boris

    @property
    def clara(self) -> User:
        return self.people.clara

    async def stranger_to_hello(self) -> ChatClient:
        """Boris, connected but not welcomed."""
        return await ChatClient.open(self.server, headers={"Cookie": self.people.boris_cookie})

    async def attacker(self, **options: Any) -> ChatClient:
        """Boris, welcomed."""
        headers = {"Cookie": self.people.boris_cookie}
        return await ChatClient.hello(self.server, None, headers=headers, **options)

    def boris_cookie(self) -> tuple[bytes, bytes]:
        return (b"Cookie", self.people.boris_cookie.encode())

    async def raw_connection(self) -> RawSocket:
        """Boris, connected but not welcomed, with frames made by hand."""
        raw = await RawSocket.connect(self.server.port)
        headers = upgrade(GOOD_ORIGIN, PROTOCOL, self.boris_cookie())
        assert await raw.handshake(headers) == 101
        return raw


Attack = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    item: int
    name: str
    attack: Attack
    leaves: int = 0  # messages that the attack legitimately posted in `room`


CASES: list[Case] = []


def case(item: int, name: str, leaves: int = 0) -> Callable[[Attack], Attack]:
    """Register an attack under an item of the list."""

    def register(attack: Attack) -> Attack:
        CASES.append(Case(item, name, attack, leaves))
        return attack

    return register


def refused(item: int, name: str, text: str, *codes: str) -> None:
    """Register a frame, sent after `hello`, that must be answered by an error."""

    async def attack(world: World) -> None:
        async with await world.attacker() as client:
            await client.connection.send(text.replace("ROOM", str(world.room)))
            error = await client.receive("error")
            await client.pong()
        assert error["code"] in (codes or ("bad_request",))

    CASES.append(Case(item, name, attack))


def send_text(body: str = '"hi"', **fields: str) -> str:
    """Text of a `send` frame; values go in as they are. ROOM stands for the room's id."""
    values = {"t": '"send"', "id": '"c1"', "room": "ROOM", "key": f'"{new_key()}"', "body": body}
    values |= fields
    return "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}"


def is_error(answer: Frame, *codes: str) -> bool:
    return answer["t"] == "error" and answer["code"] in codes


# 1 to 9: JSON

for label, text in {
    "words": "hello there",
    "half": '{"t":"ping"',
    "empty": "",
    "python": "{'t': 'ping'}",
    "byte order mark": '\ufeff{"t":"ping"}',
    "two": '{"t":"ping"}{"t":"ping"}',
}.items():
    refused(1, label, text)
for label, text in {"number": "7", "text": '"ping"', "array": "[]", "null": "null"}.items():
    refused(2, label, text)
refused(3, "unknown", '{"t":"admin","id":"x"}', "unknown_type")
for label, text in {
    "missing": '{"id":"x"}',
    "number": '{"t":5}',
    "array": '{"t":["send"]}',
    "second hello": '{"t":"hello","rooms":{}}',
}.items():
    refused(3, label, text)
refused(4, "extra", send_text(color='"red"'))
refused(4, "twice", '{"t":"typing","room":ROOM,"room":2}')
refused(4, "twice, escaped", r'{"t":"typing","room":ROOM,"\u0072oom":2}')
refused(4, "type twice", send_text()[:-1] + ',"t":"ping"}')
for number in ("NaN", "Infinity", "-Infinity", "1e400", "1.5", "-0.0"):
    refused(5, number, send_text(reply_to=number))
refused(6, "5,000 digits", send_text(room="9" * 5_000))
refused(7, "arrays", send_text(body="[" * 10_000 + "]" * 10_000))
refused(7, "objects", '{"t":' * 9_000 + "1" + "}" * 9_000)
refused(8, "body", send_text(body=r'"a\u0000b"'))
refused(8, "raw", send_text(body='"a\x00b"'))
refused(8, "key", send_text(key=r'"\u0000' + "a" * 35 + '"'))
refused(8, "id", send_text(id=r'"\u0000"'))
refused(8, "room", send_text(room=r'"\u0000"'))
refused(
    8, "emoji", send_text(t='"react"', target="1", emoji=r'"\u0000"').replace(',"body":"hi"', "")
)
refused(9, "high", send_text(body=r'"\ud800"'))
refused(9, "low", send_text(body=r'"\udfff and so on"'))
refused(9, "id", send_text(id=r'"\ud800"'))


# 10, 11, 14: frames of the WebSocket itself


def closed(item: int, name: str, *frames: bytes, codes: tuple[int, ...]) -> None:
    """Register frames, sent by hand before `hello`, that must end the connection."""

    async def attack(world: World) -> None:
        raw = await world.raw_connection()
        for data in frames:
            await raw.send(data)
        assert await raw.close_code() in codes
        await raw.close()

    CASES.append(Case(item, name, attack))


HELLO = frame(b'{"t":"hello","rooms":{}}')

closed(10, "invalid UTF-8", frame(b'{"t":"ping","\xff\xfe"}'), codes=(1007,))
closed(10, "invalid UTF-8 after hello", HELLO, frame(b"\xc3\x28"), codes=(1007,))
closed(10, "surrogate in UTF-8", HELLO, frame(b'{"t":"\xed\xa0\x80"}'), codes=(1007,))
closed(11, "binary hello", frame(b'{"t":"hello","rooms":{}}', BINARY), codes=(4400,))
closed(11, "random bytes", frame(os.urandom(1_000), BINARY), codes=(4400,))


@case(11, "binary after hello")
async def binary_after_hello(world: World) -> None:
    async with await world.attacker() as client:
        await client.connection.send(send_text().encode())
        error = await client.receive("error")
        await client.pong()

    assert is_error(error, "bad_request")


refused(14, "over 64 KiB", send_text(body='"' + "x" * MAX_FRAME_BYTES + '"'), "too_large")
refused(14, "8,000 emoji as JSON escapes", send_text(body=json.dumps("😀" * 8_000)), "too_large")
closed(14, "1 MiB + 1", HELLO, frame(b"x" * (2**20 + 1)), codes=(1009,))
closed(
    14,
    "2 GiB announced",
    HELLO,
    b"\x81\xff\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00",
    codes=(1009,),
)
closed(
    14,
    "fragments over the limit",
    HELLO,
    frame(b"x" * 70_000, final=False),
    frame(b"x" * 70_000, CONTINUE, final=False),
    codes=(1009,),
)
closed(
    14,
    "a million tiny fragments",
    HELLO,
    frame(b"{", final=False),
    *[frame(b" ", CONTINUE, final=False) * 10_000] * 100,
    codes=(1008, 1006),
)
closed(
    14,
    "a million empty fragments",
    HELLO,
    frame(b"", final=False),
    *[frame(b"", CONTINUE, final=False) * 10_000] * 100,
    codes=(1008, 1006),
)
closed(
    14,
    "more fragments than anybody needs",
    HELLO,
    frame(b"{", final=False),
    frame(b"", CONTINUE, final=False) * 300,
    codes=(1008,),
)
closed(14, "fragment that never ends", frame(b'{"t":', final=False), codes=(4400,))
closed(14, "unmasked frame", HELLO, b"\x81\x0c" + b'{"t":"ping"}', codes=(1002,))
closed(14, "reserved bits", HELLO, b"\xf1" + frame(b'{"t":"ping"}')[1:], codes=(1002,))


# 12, 13, 15 to 17: texts

for label, body in {
    "nothing": "",
    "white space": " \t\r\n\u00a0\u2003",
    "zero width": "\u200b\u200d\ufeff",
    "blank letters": "\u3164\u2800",
}.items():
    refused(12, label, send_text(body=json.dumps(body)), "empty")
refused(13, "characters", send_text(body=json.dumps("x" * 8_001)), "too_large")
refused(13, "emoji", send_text(body=json.dumps("😀" * 8_001, ensure_ascii=False)), "too_large")
refused(
    13, "combining", send_text(body=json.dumps("e\u0301" * 4_001, ensure_ascii=False)), "too_large"
)


def is_text(item: int, name: str, body: str) -> None:
    """Register a body that is allowed, and must come back as it was sent."""

    async def attack(world: World) -> None:
        async with await world.attacker() as client:
            ok = await client.post(world.room, body)
            assert ok["t"] == "ok"
            [event] = await client.events_until(world.room, ok["seq"])
            await store(world.room)
            page = await client.ask(t="history", room=world.room, before=ok["seq"] + 1)
        assert event["data"]["body"] == body
        assert page["messages"][-1]["body"] == body

    CASES.append(Case(item, name, attack, leaves=1))


is_text(13, "8,000 emoji", "😀" * 8_000)
is_text(15, "right to left", "\u202eevil\u202c \u2066x\u2069")
is_text(15, "combining stack", "z" + "\u0301" * 500)
is_text(15, "control characters", "a\x01\x07\x1b[31m\x7f\x85b")
is_text(15, "new log line", "x\r\n2026-11-22 00:00:00 ERROR root: stolen")
is_text(16, "script", "<script>alert(1)</script><img src=x onerror=alert(1)>")
is_text(16, "link", "[x](javascript:alert(1)) <javascript:alert(1)>")
is_text(16, "template", "{{ settings.SECRET_KEY }} {% debug %} ${7*7} %s %(x)s {0}")
is_text(17, "SQL", "'); DROP TABLE chat_message; --")
is_text(17, "Redis", "x\r\n*1\r\n$8\r\nFLUSHALL\r\n")
refused(17, "in the key", send_text(key=json.dumps("\r\nFLUSHALL\r\n" + "x" * 24)))
refused(17, "in the room", send_text(room=json.dumps("5\r\nFLUSHALL")))


# 18: room ids

for label, room in {
    "zero": "0",
    "negative": "-1",
    "2^53": str(2**53),
    "2^63": str(2**63),
    "2^64": str(2**64),
    "SQL": '"1 OR 1"',
    "text": '"5"',
    "array": "[1]",
    "object": "{}",
    "null": "null",
    "true": "true",
    "long name": '"' + "x" * 1_000 + '"',
    "bad characters": '"room.*!"',
}.items():
    refused(18, label, send_text(room=room))
refused(18, "never was", send_text(room=str(2**53 - 1)), "not_found")


@case(18, "somebody else's")
async def room_of_somebody_else(world: World) -> None:
    foreign, absent = world.other_room, 2**53 - 1
    async with await world.attacker() as client:
        for room in (foreign, absent):
            answers = [
                await client.post(room, "hi"),
                await client.ask(t="edit", room=room, key=new_key(), target=1, body="x"),
                await client.ask(t="delete", room=room, key=new_key(), target=1),
                await client.ask(t="react", room=room, key=new_key(), target=1, emoji="👍"),
                await client.ask(t="sync", room=room, after=0),
                await client.ask(t="history", room=room, before=9),
            ]
            assert all(is_error(answer, "not_found") for answer in answers), answers
            for quiet in ({"t": "read", "room": room, "seq": 1}, {"t": "typing", "room": room}):
                await client.send(**quiet)
                assert is_error(await client.receive("error"), "not_found")


# 19, 20: keys and fields that are the server's

for label, key in {
    "empty": '""',
    "UUIDv4": '"019b0a5d-ac96-474b-bcce-b302099a8057"',
    "upper case": f'"{new_key().upper()}"',
    "10 KB": '"' + "a" * 10_240 + '"',
    "number": "5",
    "from the future": f'"{"f" * 8}-ffff-7fff-bfff-{"f" * 12}"',
}.items():
    refused(19, label, send_text(key=key))
refused(19, "missing", '{"t":"send","id":"c1","room":ROOM,"body":"hi"}')


@case(19, "another body", leaves=1)
async def key_with_another_body(world: World) -> None:
    key = new_key()
    async with await world.attacker() as client:
        assert (await client.post(world.room, "one", key))["t"] == "ok"
        assert is_error(await client.post(world.room, "two", key), "key_conflict")


@case(19, "another room", leaves=1)
async def key_in_another_room(world: World) -> None:
    key = new_key()
    second = await new_room(world.boris)
    async with await world.attacker() as client:
        assert (await client.post(world.room, "one", key))["t"] == "ok"
        assert is_error(await client.post(second.pk, "one", key), "key_conflict")


@case(19, "another person's", leaves=1)
async def key_of_another_person(world: World) -> None:
    # A key is its author's own: somebody else's request under it is another request, and learns
    # nothing about the first one.
    key = new_key()
    async with await ChatClient.hello(world.server, world.clara) as clara:
        assert (await clara.post(world.other_room, "secret", key))["t"] == "ok"
    async with await world.attacker() as client:
        ok = await client.post(world.room, "mine", key)
        assert (ok["room"], ok["seq"]) == (world.room, 4)


@case(19, "of its own future")
async def key_six_minutes_ahead(world: World) -> None:
    key = key_at(datetime.now(UTC) + timedelta(minutes=6))
    async with await world.attacker() as client:
        answer = await client.post(world.room, "hi", key)
        assert is_error(answer, "bad_request")
        assert "time" in answer["message"]


for field in ("sender", "actor", "at", "seq", "n", "epoch", "type", "user"):
    refused(20, field, send_text(**{field: "1"}))


# 21: sending where one is not, or not any more


@case(21, "before hello")
async def send_before_hello(world: World) -> None:
    async with await world.stranger_to_hello() as client:
        await client.connection.send(send_text().replace("ROOM", str(world.room)))
        assert await client.close_code() == 4400


@case(21, "after leaving", leaves=1)
async def send_after_leaving(world: World) -> None:
    async with await world.attacker() as client:
        await rooms.leave_room(world.boris.pk, world.room)
        assert is_error(await client.post(world.room, "hi"), *NO_ROOM)


@case(21, "after removal", leaves=1)
async def send_after_removal(world: World) -> None:
    async with await world.attacker() as client:
        await moderation.remove_member(by(world.anna), world.room, world.boris.pk, WHY)
        assert is_error(await client.post(world.room, "hi"), *NO_ROOM)


@case(21, "archived room", leaves=1)
async def send_to_archived_room(world: World) -> None:
    async with await world.attacker() as client:
        await moderation.archive_room(by(world.anna), world.room, True)
        assert is_error(await client.post(world.room, "hi"), "archived")


# 22, 23: positions and confirmations that cannot be


def hello(item: int, name: str, positions: str, code: int = 4400) -> None:
    """Register a `hello` that must be refused as a whole."""

    async def attack(world: World) -> None:
        async with await world.stranger_to_hello() as client:
            text = positions.replace("ROOM", str(world.room))
            await client.connection.send('{"t":"hello","rooms":' + text + "}")
            assert await client.close_code() == code

    CASES.append(Case(item, name, attack))


hello(22, "negative", '{"ROOM":{"epoch":1,"seq":-1}}')
hello(22, "no epoch", '{"ROOM":{"seq":1}}')
hello(22, "words", '{"general":{"epoch":1,"seq":1}}')
hello(22, "array", "[1,2]")
hello(24, "1,001 rooms", json.dumps({str(n + 1): {"epoch": 1, "seq": 0} for n in range(1_001)}))


@case(22, "future seq, wrong epoch, seq of another room")
async def positions_that_cannot_be(world: World) -> None:
    for position in ((1, 2**53 - 1), (1, 900), (0, 2), (9, 2)):
        async with await world.attacker(rooms={world.room: position}) as client:
            reset = await client.receive("reset")
            assert (reset["room"], reset["head"]) == (world.room, 3)
            await client.pong()
            assert client.events == {}


@case(22, "rooms of others")
async def positions_in_foreign_rooms(world: World) -> None:
    wanted = {world.other_room: (1, 0), 2**53 - 1: (1, 0)}
    async with await world.attacker(rooms=wanted) as client:
        await client.pong()
        mine = {info["id"] for info in client.welcome["rooms"]}
        assert world.room in mine
        assert not mine & wanted.keys()
        assert client.events == {}


@case(22, "sync from the future")
async def sync_from_the_future(world: World) -> None:
    async with await world.attacker() as client:
        answer = await client.ask(t="sync", room=world.room, after=2**53 - 1)
        assert (answer["t"], answer["events"]) == ("batch", [])
        assert is_error(await client.ask(t="sync", room=world.room, after=-1), "bad_request")
        assert is_error(
            await client.ask(t="sync", room=world.room, after=0, limit=10**9), "bad_request"
        )


@case(23, "seen in the future")
async def seen_in_the_future(world: World) -> None:
    async with await world.attacker() as client:
        for number in (1, 2**53 - 1):
            await client.send(t="seen", f=number)
            assert is_error(await client.receive("error"), "bad_request")
        await client.send(t="seen", f=0)
        await client.pong()


# 24, 25: too much of something


async def close_code_of_flood(client: ChatClient, text: str, count: int = 5_000) -> int:
    async def flood() -> None:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(count):
                await client.connection.send(text)

    sender = asyncio.create_task(flood())
    code = await client.close_code()
    await sender
    return code


@case(24, "hello 1,000 times")
async def hello_again_and_again(world: World) -> None:
    async with await world.attacker() as client:
        assert await close_code_of_flood(client, '{"t":"hello","rooms":{}}', 1_000) == 4400


@case(25, "ping flood")
async def ping_flood(world: World) -> None:
    async with await world.attacker() as client:
        assert await close_code_of_flood(client, '{"t":"ping"}') == 4429


@case(25, "flood of nonsense")
async def flood_of_nonsense(world: World) -> None:
    async with await world.attacker() as client:
        assert await close_code_of_flood(client, "nonsense") == 4400


@case(25, "flood before welcome")
async def flood_before_welcome(world: World) -> None:
    async with await world.stranger_to_hello() as client:
        await client.connection.send('{"t":"hello","rooms":{}}')
        assert await close_code_of_flood(client, '{"t":"ping"}') == 4429


@case(25, "too much at once before welcome")
async def too_much_at_once_before_welcome(world: World) -> None:
    # Fewer than a welcomed client may send at once.
    raw = await world.raw_connection()
    await raw.send(HELLO + frame(b'{"t":"ping"}') * 100)
    assert await raw.close_code() == 4429
    await raw.close()


@case(25, "WebSocket ping flood")
async def control_ping_flood(world: World) -> None:
    raw = await world.raw_connection()
    await raw.send(HELLO)
    await raw.send(frame(b"x" * 125, PING) * 5_000)
    await raw.send(frame(b"", CLOSE))
    assert await raw.close_code() in {1000, 1005, 1008, 1006}
    await raw.close()


closed(25, "ping over 125 bytes", HELLO, frame(b"x" * 126, PING), codes=(1002,))
closed(25, "fragmented ping", HELLO, frame(b"", PING, final=False), codes=(1002,))
closed(25, "close with a bad code", HELLO, frame(b"\x03\x01", CLOSE), codes=(1002, 1006))
closed(25, "close with half a code", HELLO, frame(b"\x03", CLOSE), codes=(1002, 1006))
closed(25, "unknown opcode", HELLO, frame(b"", 0xB), codes=(1002,))


@case(25, "data after close")
async def data_after_close(world: World) -> None:
    raw = await world.raw_connection()
    text = send_text().replace("ROOM", str(world.room)).encode()
    await raw.send(HELLO + frame(b"\x03\xe8", CLOSE) + frame(text, TEXT))
    assert await raw.close_code() == 1000
    await raw.close()


# 26: handshakes


def handshake(item: int, name: str, *headers: tuple[bytes, bytes], signed_in: bool = True) -> None:
    """Register a handshake that must not lead to a connection; without headers of its own."""

    async def attack(world: World) -> None:
        raw = await RawSocket.connect(world.server.port)
        cookie = [world.boris_cookie()] if signed_in else []
        status = await raw.handshake([*upgrade(), *headers, *cookie])
        assert status == 0 or 400 <= status < 500, status
        await raw.close()

    CASES.append(Case(item, name, attack))


for label, origin in {
    "null": b"null",
    "empty": b"",
    "foreign": b"http://evil.example",
    "subdomain": b"http://testserver.evil.example",
    "prefix": b"http://eviltestserver",
    "user part": b"http://testserver@evil.example",
    "other scheme": b"https://testserver",
    "other port": b"http://testserver:8080",
    "wrong case": b"http://TESTSERVER",
    "path": b"http://testserver/",
    "bytes": b"http://testserver\xff\xfe",
}.items():
    handshake(26, f"origin {label}", (b"Origin", origin), PROTOCOL)
handshake(26, "no origin", PROTOCOL)
handshake(26, "two origins", GOOD_ORIGIN, (b"Origin", b"http://evil.example"), PROTOCOL)
handshake(26, "same origin twice", GOOD_ORIGIN, GOOD_ORIGIN, PROTOCOL)
handshake(26, "no subprotocol", GOOD_ORIGIN)
handshake(26, "other subprotocol", GOOD_ORIGIN, (b"Sec-WebSocket-Protocol", b"veche.v2"))
handshake(
    26,
    "200 subprotocols",
    GOOD_ORIGIN,
    (b"Sec-WebSocket-Protocol", b"veche.v1," + b",".join(b"p%d" % n for n in range(200))),
)
handshake(
    26,
    "subprotocol in bytes",
    GOOD_ORIGIN,
    (b"Sec-WebSocket-Protocol", b"veche.v1, \xff\xfe"),
)
handshake(26, "two tickets", (b"Sec-WebSocket-Protocol", b"veche.v1, ticket.a, ticket.b"))
for byte in (b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\x85", b"\x00"):
    handshake(
        26, f"header {byte!r}", GOOD_ORIGIN, PROTOCOL, (b"X-Test", b"a" + byte + b"Origin: x")
    )
handshake(26, "huge cookie", GOOD_ORIGIN, PROTOCOL, (b"Cookie", b"a=" + b"x" * 200_000))
handshake(26, "many headers", GOOD_ORIGIN, PROTOCOL, *[(b"X-%d" % n, b"x") for n in range(2_000)])
handshake(26, "wrong version", GOOD_ORIGIN, PROTOCOL, (b"Sec-WebSocket-Version", b"99"))


@case(26, "sessions that are not in force")
async def sessions_that_are_not_in_force(world: World) -> None:
    name = settings.SESSION_COOKIE_NAME
    good = world.people.boris_cookie.partition("=")[2]
    expired = (await sync_to_async(session_cookie)(world.clara)).partition("=")[2]
    await Session.objects.filter(session_key=expired).aupdate(expire_date="2020-01-01T00:00:00Z")
    cookies = [
        "",
        f"{name}=",
        f"{name}={expired}",
        f"{name}={good[::-1]}",
        f"{name}={good.upper()}x",
        f"{name}=token:1",
        f"{name}=' OR 1=1 --",
        f"{name}=" + "a" * 5_000,
        f"{name}=\u00e9\u00e9",
    ]
    for cookie in cookies:
        raw = await RawSocket.connect(world.server.port)
        headers = upgrade(GOOD_ORIGIN, PROTOCOL, (b"Cookie", cookie.encode("latin1")))
        assert await raw.handshake(headers) == 101
        assert await raw.close_code() == 4401, cookie
        await raw.close()


@case(26, "tickets that are none")
async def tickets_that_are_none(world: World) -> None:
    for ticket in ("", "x", "a" * 5_000, "%00", "..", "*"):
        offer = ("veche.v1", f"ticket.{ticket}")
        client = await ChatClient.open(world.server, origin=None, subprotocols=offer)
        assert await client.close_code() == 4401


@case(26, "path that is none")
async def unknown_path(world: World) -> None:
    for path in (b"/ws/admin/", b"/ws/chat", b"/", b"/ws/chat/%00", b"/ws/chat/../../x"):
        raw = await RawSocket.connect(world.server.port)
        assert await raw.handshake(upgrade(GOOD_ORIGIN, PROTOCOL), path) == 403
        await raw.close()


# 27, 28: connections that do nothing, and too many of them


@case(27, "connected and silent")
async def connected_and_silent(world: World) -> None:
    async with await world.stranger_to_hello() as client:
        assert await client.close_code() == 4400


@case(27, "half a handshake")
async def half_a_handshake(world: World) -> None:
    halves = [await RawSocket.connect(world.server.port) for _ in range(200)]
    for raw in halves:
        await raw.send(b"GET /ws/chat/ HTTP/1.1\r\nHost: testserver\r\nX-Slow: ")
    async with await world.attacker() as client:
        await client.pong()
    for raw in halves:
        await raw.close()


@case(27, "gone without a word")
async def gone_without_a_word(world: World) -> None:
    for _ in range(20):
        raw = await world.raw_connection()
        await raw.send(HELLO)
        raw.writer.transport.abort()


@case(28, "one session on 500 connections")
async def one_session_on_many_connections(world: World) -> None:
    turns = asyncio.Semaphore(25)
    clients: list[ChatClient] = []

    async def connect() -> None:
        async with turns:
            client = await world.stranger_to_hello()
            clients.append(client)
            with contextlib.suppress(ConnectionClosed):
                await client.send(t="hello", rooms={})

    await asyncio.gather(*(connect() for _ in range(500)))
    welcomed, refusals = 0, []
    for client in clients:
        try:
            await client.receive("welcome")
            welcomed += 1
        except ConnectionClosed as error:
            refusals.append(error.rcvd.code if error.rcvd else 1006)
    await asyncio.gather(*(client.connection.close() for client in clients))

    assert welcomed == 20
    assert refusals == [4429] * 480


# The test


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebProcess]:
    log = tmp_path_factory.mktemp("web") / "server.log"
    limits = {"SENDS_BURST": "1000", "MAX_SOCKETS_PER_USER": "20"}
    with django_db_blocker.unblock(), web_process(log, **limits) as process:
        yield process


@pytest.mark.parametrize("item", range(1, 29))
async def test_bad_input_is_refused_and_changes_nothing(
    server: WebProcess, item: int, log_redis: redis.Redis
) -> None:
    people = await People.make()
    attacks = [case for case in CASES if case.item == item]
    assert attacks

    for given in attacks:
        try:
            await check(given, server, people, log_redis)
        except BaseException as error:
            error.add_note(f"in case {item}: {given.name}")
            raise


async def check(given: Case, server: WebProcess, people: People, log_redis: redis.Redis) -> None:
    room, other = await new_room(people.anna, people.boris), await new_room(people.clara)
    await store(room.pk)
    await store(other.pk)
    server_log_before = server.log.stat().st_size
    headers = {"Cookie": people.anna_cookie}
    async with await ChatClient.hello(server, None, headers=headers) as watcher:
        await given.attack(World(server, people, room.pk, other.pk))

        if given.leaves:  # The hint of an act in this process may come after the pong.
            await watcher.events_until(room.pk, (await log_of(room.pk))[-1].seq)
        await watcher.pong()
        watched = watcher.events.get(room.pk, [])
        after = await watcher.post(room.pk, "still here")
    logged = await log_of(room.pk)
    async with asyncio.timeout(30):
        # A drain steps back when another one is at work.
        while await RoomEvent.objects.filter(room=room).acount() < len(logged):
            await store(room.pk)
    server_log = server.log.read_bytes()[server_log_before:].decode()

    assert len(watched) == given.leaves
    assert after["t"] == "ok" or after["code"] == "archived"
    assert len(logged) == 3 + given.leaves + (after["t"] == "ok")
    assert await RoomEvent.objects.filter(room=room).acount() == len(logged)
    assert log_redis.xlen("veche:dead-letters") == 0
    assert "Traceback" not in server_log, server_log
    assert " ERROR " not in server_log, server_log
    assert server.process.poll() is None
