"""What a fault is, and the order in which a drill injects faults."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

Act = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """The heal step of faults that heal by themselves: the supervisor restarts killed processes."""


async def no_problems() -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong for a while.

    The report sorts by `kind`; `name` also says what the fault hits. People should be able to go on
    once it is healed, or, for a `kill`, from its beginning on. `web`: the web process that it hits.
    `problems` is called right before healing and returns what should not have been possible.
    """

    kind: str
    target: str
    inject: Act
    heal: Act = nothing
    hold_seconds: float = 0.0
    kill: bool = False
    web: str | None = None
    core: bool = False  # comes early, so that short drills include it
    problems: Callable[[], Awaitable[list[str]]] = no_problems

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.target}" if self.target else self.kind


def deck(faults: Sequence[Fault], pick: random.Random) -> Iterator[Fault]:
    """Endless faults: first those of the core, then the others, then all again and again. Each
    round is shuffled; in the later rounds sometimes two come at once."""
    core = [one for one in faults if one.core]
    others = [one for one in faults if not one.core]
    for some in (core, others):
        yield from pick.sample(some, len(some))
    while True:
        for one in pick.sample(faults, len(faults)):
            if pick.random() < 0.25:
                yield both(one, pick.choice(faults))
            else:
                yield one


def both(one: Fault, other: Fault) -> Fault:
    """Two faults at once, healed together."""

    async def inject() -> None:
        await one.inject()
        await other.inject()

    async def heal() -> None:
        try:
            await one.heal()
        finally:
            await other.heal()

    return replace(
        one,
        kind="two at once",
        target=f"{one.name} + {other.name}",
        inject=inject,
        heal=heal,
        hold_seconds=max(one.hold_seconds, other.hold_seconds),
        kill=one.kill and other.kill,
        web=None,
        problems=no_problems,
    )
