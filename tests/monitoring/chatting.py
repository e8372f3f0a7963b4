"""A person who talks, edits, reacts and makes mistakes, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from websockets.exceptions import WebSocketException

from localstack.running_stack import RunningStack
from localstack.web_process import WebProcess
from tests.support.rooms import new_key
from tests.support.web_process import ChatClient

PAUSE_SECONDS = 0.25


class Talk:
    """One person at two devices, in a thread. What fails is left, and both connect again."""

    def __init__(self, stack: RunningStack, token: str) -> None:
        self._address = stack.address
        self._token = token
        self._over = threading.Event()
        self.rounds = 0

    def run(self) -> None:
        asyncio.run(self._talk())

    def stop(self) -> None:
        self._over.set()

    async def _talk(self) -> None:
        while not self._over.is_set():
            # Every kind of fault is met here: the tests freeze what the talk goes through.
            with contextlib.suppress(OSError, WebSocketException, TimeoutError, AssertionError):
                async with contextlib.AsyncExitStack() as connections:
                    one = await connections.enter_async_context(await self._connect())
                    other = await connections.enter_async_context(await self._connect())
                    while not self._over.is_set():
                        await self._round(one, other)
                        await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _round(self, one: ChatClient, other: ChatClient) -> None:
        room = one.welcome["rooms"][0]["id"]
        said = await one.post(room, "Is it all there?")
        assert said["t"] == "ok"
        target = {"room": room, "target": said["seq"]}
        await other.ask(t="react", key=new_key(), emoji="👍", on=True, **target)
        await one.ask(t="edit", key=new_key(), body="Is it all there now?", **target)
        await other.ask(t="sync", room=room, after=said["seq"] - 1)
        await other.ask(t="history", room=room, before=said["seq"])
        await one.post(room, "")  # refused
        await other.send(t="read", room=room, seq=said["seq"])
        await other.pong()
        one.frames.clear()
        other.frames.clear()
        self.rounds += 1

    async def _connect(self) -> ChatClient:
        ticket = await asyncio.to_thread(self._ticket)
        server = cast(WebProcess, self)
        return await ChatClient.hello(
            server, None, origin=None, subprotocols=("veche.v1", f"ticket.{ticket}")
        )

    @property
    def url(self) -> str:
        return self._address.replace("http", "ws", 1) + "/ws/chat/"

    def _ticket(self) -> str:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self._address}/api/v1/tickets", method="POST", data=b"{}", headers=headers
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["ticket"])


@contextmanager
def chatting(stack: RunningStack) -> Iterator[Talk]:
    person = next(iter(stack.accounts()))
    talk = Talk(stack, stack.manage("issue_token", person).strip())
    thread = threading.Thread(target=talk.run, name="talk")
    thread.start()
    try:
        yield talk
    finally:
        talk.stop()
        thread.join(60)
