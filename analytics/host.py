"""What the installation provides to the analytics: who may see what, and people's names.

The analytics know nothing about the chat but its events. The installation registers one `Host` at
its start; everything else that they need of it is below.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

from django.http import HttpRequest

from analytics.counting.dead_letters import DeadLetters

P = ParamSpec("P")
R = TypeVar("R")


class NamedRoom(Protocol):
    """A room that has owners, and so is no direct conversation."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def archived(self) -> bool: ...


class OwnTraffic(Protocol):
    """The account of such traffic (None: there is none yet), and the rooms in which it writes."""

    @property
    def user_id(self) -> int | None: ...
    @property
    def rooms(self) -> Sequence[int]: ...


class Host(Protocol):
    """Methods that are given a request raise what the installation's API answers with 503 if they
    cannot tell."""

    async def is_administrator(self, request: HttpRequest) -> bool:
        """Whether the person sees the numbers of all rooms. `request` is signed in, as below."""
        ...

    async def page_before_all_rooms(self, request: HttpRequest) -> str | None:
        """Where the person must go before seeing all rooms, as for a second factor; None: nowhere.

        Called only if `is_administrator` is False.
        """
        ...

    async def rooms_owned_by(self, request: HttpRequest) -> Sequence[NamedRoom]:
        """The rooms that the person owns, by name."""
        ...

    async def room_for(self, request: HttpRequest, room_id: int) -> NamedRoom | None:
        """The room, if it exists and the person owns it or is an administrator; otherwise None."""
        ...

    async def may_look_inside(self, request: HttpRequest, room_id: int, kind: str) -> bool:
        """Whether such a person may know who writes in the room, and which words."""
        ...

    def names_of(self, user_ids: Iterable[int]) -> Mapping[int, str]:
        """The names of those people who exist. Uses the database and blocks."""
        ...

    def own_traffic(self) -> OwnTraffic:
        """The traffic by which the installation watches itself. Uses the database and blocks."""
        ...

    def newest_event_at(self) -> datetime | None:
        """Time of the newest event for the event bus. Uses the database and blocks."""
        ...

    def in_database(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """The result of `call`, run in a thread in which it may use the database and block."""
        ...

    def new_dead_letters(self) -> DeadLetters:
        """Where one reader of the bus puts the records that it cannot count."""
        ...

    def back_off(self, failures: int, /, *, first: float, longest: float) -> float:
        """Seconds to wait after so many failures in a row: `first` to `longest`, with jitter."""
        ...

    def begin_process(self, role: str) -> None:
        """Starts metrics, traces and error reports of a command that runs on, once."""
        ...

    def rolled_up(self, traceparents: Iterable[str | None], began_ns: int) -> None:
        """Records with these `traceparent`s are counted; `began_ns` is of `time.time_ns`."""
        ...


_registered: Host | None = None


def register(host: Host) -> None:
    """Makes `host` the one that is asked, in this process."""
    global _registered
    _registered = host


def host() -> Host:
    if _registered is None:
        raise RuntimeError("No host of the analytics is registered.")
    return _registered
