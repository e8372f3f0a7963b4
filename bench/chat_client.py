"""The connection of a person who chats."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

ORIGIN = "http://testserver"

Frame = dict[str, Any]


async def open_socket(url: str, cookie: str) -> ClientConnection:
    """A WebSocket on which nothing has been sent yet."""
    return await connect(
        url,
        origin=ORIGIN,  # type: ignore[arg-type]
        subprotocols=["veche.v1"],  # type: ignore[list-item]
        additional_headers={"Cookie": cookie},
        compression=None,
        max_size=None,
        ping_interval=None,
    )


class ChatClient:
    """Confirms the events that it receives, as the UI does, and keeps them by room."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: dict[int, list[Frame]] = {}

    @classmethod
    async def hello(cls, url: str, cookie: str) -> ChatClient:
        """A connection that was welcomed."""
        client = cls(await open_socket(url, cookie))
        await client.connection.send('{"t":"hello","rooms":{}}')
        while (await client.next_frame())["t"] != "welcome":
            pass
        return client

    async def next_frame(self) -> Frame:
        frame: Frame = json.loads(await self.connection.recv())
        if frame["t"] == "events":
            self.events.setdefault(frame["room"], []).extend(frame["events"])
            await self.connection.send(json.dumps({"t": "seen", "f": frame["f"]}))
        return frame
