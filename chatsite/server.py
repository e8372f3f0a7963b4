"""The web process: `python -m chatsite.server`. Starts Daphne or uvicorn with Veche's limits.

Neither server's own command line can set all of them, or let people go before it stops. At SIGTERM
or SIGINT the process stops listening and reports itself as draining, the hub says `bye` and closes
its sockets, requests in flight are finished, and then the process exits with 0.

It stops listening first, because a balancer without health checks, such as nginx, learns from a
refused connection that it must go elsewhere, and may then do so with any request.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

logger = logging.getLogger("chatsite.server")

# Dead peers are noticed within PING + PONG + 2 s; the servers' own defaults take up to 52 s.
PING_SECONDS = 10
PONG_SECONDS = 10
# How long a stopping process waits for requests in flight.
REQUEST_SECONDS = 5
# From the first byte to the answer. When everybody reconnects at once this takes a while, and
# clients that are cut off reconnect once more.
HANDSHAKE_SECONDS = 10
# Connections that wait to be accepted when everybody reconnects at once. Twisted's own 50 are full
# in a moment, and clients that find no place wait for the kernel to retry, a second or longer.
BACKLOG = 2048
# Objects made, less those freed, between two collections of cyclic garbage. Python's own 700 are
# reached every few frames, and each older generation is then scanned far too often for a process
# with thousands of connections: a third of its time, when everybody reconnects at once.
COLLECT_EVERY_OBJECTS = 50_000
# Above the protocol's own limit, so that the process can answer a frame that is too large instead
# of losing the connection: a message of allowed length, in JSON escapes, makes a frame of 96 KB.
FRAME_MARGIN_BYTES = 64 * 1024

Drain = Callable[[], Awaitable[None]]


async def drain() -> None:
    """Report this process as draining and let its sockets go, within DRAIN_SECONDS."""
    from django.conf import settings

    from chat import hub

    try:
        async with asyncio.timeout(settings.ENV.drain_seconds):
            await hub.drain()
    except TimeoutError:
        logger.warning("sockets are left after %s s of draining", settings.ENV.drain_seconds)


def run_daphne(application: Any, host: str, port: int, frame_bytes: int) -> int:
    """Serve until a signal; returns the exit code."""
    # First, because it installs its own reactor.
    from daphne.server import Server
    from daphne.ws_protocol import WebSocketFactory
    from twisted.internet import reactor

    from chat.websocket.frame_gate import EXTENSION
    from chatsite.web.daphne_protocol import BoundedWebSocketProtocol

    WebSocketFactory.protocol = BoundedWebSocketProtocol

    def event_loop() -> asyncio.AbstractEventLoop:
        """The loop that Daphne made Twisted run on, also before it runs.

        No upstream issue known. If the attribute is renamed, the process does not start.
        """
        loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
        return loop

    class DrainingServer(Server):  # type: ignore[misc]
        failed = False
        connections: dict[Any, dict[str, Any]]

        def run(self) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                event_loop().add_signal_handler(number, self.begin_to_stop)
            super().run()

        def begin_to_stop(self) -> None:
            loop = event_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)  # The second signal does not wait.
            self.stopping = loop.create_task(self.let_go())

        async def let_go(self) -> None:
            for listener in self.listeners:
                listener.addCallback(lambda listening: listening.stopListening())
            await drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REQUEST_SECONDS):
                    # Daphne tells nobody when a request ends.
                    while any(is_busy(details) for details in self.connections.values()):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            self.stop()

        def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
            if isinstance(protocol, BoundedWebSocketProtocol):
                scope["extensions"] = {EXTENSION: {"gate": protocol.gate}}
            return super().create_application(protocol, scope)

        def listen_error(self, failure: Any) -> None:
            self.failed = True
            super().listen_error(failure)

        def kill_all_applications(self) -> Any:
            # A connection that has only just ended has no application, which the base class
            # does not expect.
            self.connections = {
                protocol: details
                for protocol, details in self.connections.items()
                if "application_instance" in details
            }
            return super().kill_all_applications()

    def is_busy(details: dict[str, Any]) -> bool:
        instance = details.get("application_instance")
        return instance is not None and not instance.done()

    server = DrainingServer(
        application=application,
        endpoints=[
            f"tcp:port={port}:interface={host.replace(':', chr(92) + ':')}:backlog={BACKLOG}"
        ],
        signal_handlers=False,
        ping_interval=PING_SECONDS,
        ping_timeout=PONG_SECONDS,
        websocket_handshake_timeout=HANDSHAKE_SECONDS,
        websocket_max_message_size=frame_bytes,
        websocket_max_frame_size=frame_bytes,
        server_name="veche",
    )
    server.run()
    return 1 if server.failed else 0


def run_uvicorn(application: Any, host: str, port: int, frame_bytes: int) -> int:
    """Serve until a signal; returns the exit code."""
    import uvicorn

    from chatsite.web.uvicorn_protocol import BoundedWebSocketProtocol

    class DrainingServer(uvicorn.Server):
        async def shutdown(self, sockets: Any = None) -> None:
            for listening in self.servers:
                listening.close()
            await drain()
            await super().shutdown(sockets)

    server = DrainingServer(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            ws=BoundedWebSocketProtocol,
            ws_max_size=frame_bytes,
            ws_max_queue=32,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PONG_SECONDS,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            backlog=BACKLOG,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=REQUEST_SECONDS,
        )
    )
    # uvicorn raises the signal again when it has stopped, which would be our exit status.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    server.run()
    return 0 if server.started else 1


def collect_rarely() -> None:
    """Collect cyclic garbage less often, and never among objects made before this call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY_OBJECTS, *gc.get_threshold()[1:])


def main() -> int:
    from django.conf import settings

    # Sets Django up, so it comes before everything that needs models.
    from chatsite.asgi import application  # isort:skip
    from chat.protocol import MAX_FRAME_BYTES
    from chatsite.observability import start
    from chatsite.startup_checks.database import refuse_weak_database
    from chatsite.startup_checks.log import refuse_weak_log

    start.begin("web", serve_metrics=False)
    refuse_weak_log()
    refuse_weak_database()
    collect_rarely()
    env = settings.ENV
    run = {"daphne": run_daphne, "uvicorn": run_uvicorn}[env.asgi_server]
    code = run(application, env.bind, env.port, MAX_FRAME_BYTES + FRAME_MARGIN_BYTES)
    start.end()
    return code


if __name__ == "__main__":
    sys.exit(main())
