"""Links between the parts that are slow, broken or silent, or that lose the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from tests.drill.faults import Fault
from tests.drill.installation import WEBS, Installation
from tests.drill.proxy import Link

BURSTS = 3
BURST_PAUSE_SECONDS = 0.6
# Enough that a new connection gets through its handshake before its answers are cut too.
CUT_EACH_SECONDS = 0.7
CUT_FOR_SECONDS = 0.15


async def delay(link: Link) -> None:
    link.delay_seconds = 1.0  # each way, half to one and a half times that


async def throttle(link: Link) -> None:
    link.bytes_per_second = 4_000


async def silence(link: Link) -> None:
    link.silent = True


async def silence_replies(link: Link) -> None:
    link.replies_silent = True


async def refuse(link: Link) -> None:
    link.refusing = True
    link.reset_all()


async def cut(link: Link) -> None:
    for _ in range(BURSTS):
        link.reset_all()
        await asyncio.sleep(BURST_PAUSE_SECONDS)


async def cut_replies(link: Link) -> None:
    for _ in range(BURSTS * 2):
        link.cut_replies = True
        await asyncio.sleep(CUT_FOR_SECONDS)
        link.cut_replies = False
        await asyncio.sleep(CUT_EACH_SECONDS)


async def half_close(link: Link) -> None:
    link.half_close_all()


@dataclass(frozen=True)
class Trouble:
    kind: str
    make: Callable[[Link], Awaitable[None]]
    hold_seconds: float
    core: tuple[str, ...] = ()  # links on which short drills include it


TROUBLES = (
    Trouble("delay", delay, 5.0, ("web-log",)),
    Trouble("throttle", throttle, 5.0, ("worker-postgres",)),
    Trouble("black hole", silence, 7.0, ("web-log", "worker-bus", "web-bus")),
    Trouble("answers held back", silence_replies, 7.0, ("web-postgres",)),
    Trouble("refused", refuse, 4.0, ("web-bus",)),
    Trouble("connections cut", cut, 0.0, ("web-log", "clients-web-1", "worker-log")),
    Trouble("answers cut", cut_replies, 0.0, ("web-log", "worker-postgres", "clients-web-1")),
    Trouble("half-close", half_close, 1.0, ("clients-web-2", "worker-log")),
)


def link_faults(installation: Installation) -> Iterator[Fault]:
    for trouble in TROUBLES:
        for name, link in installation.links.items():
            web = name.removeprefix("clients-")
            yield Fault(
                kind=trouble.kind,
                target=name,
                inject=lambda make=trouble.make, link=link: make(link),  # type: ignore[misc]
                heal=lambda link=link: healed(link),  # type: ignore[misc]
                hold_seconds=trouble.hold_seconds,
                web=web if web in WEBS else None,
                core=name in trouble.core or (name == "worker-kafka" and "answers" in trouble.kind),
            )


async def healed(link: Link) -> None:
    link.heal()
