"""What the installation provides to the analytics: who may see what, and people's names.

The analytics know nothing about the chat but its events. `settings.ANALYTICS_HOST` names a module
that answers the questions below.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

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
    """All methods raise what the installation's API answers with 503 if they cannot tell."""

    async def is_administrator(self, request: HttpRequest) -> bool:
        """Whether the person sees the numbers of all rooms. `request` is signed in, as below."""
        ...

    async def page_before_all_rooms(self, request: HttpRequest) -> str | None:
        """Where the person must go before seeing all rooms, as for a second factor; None: nowhere.

        Called only if `is_administrator` is False.
        """
        ...

    async def rooms_owned_by(self, request: HttpRequest) -> list[NamedRoom]:
        """The rooms that the person owns, by name."""
        ...

    async def room_for(self, request: HttpRequest, room_id: int) -> NamedRoom | None:
        """The room, if it exists and the person owns it or is an administrator; otherwise None."""
        ...

    async def may_look_inside(self, request: HttpRequest, room: NamedRoom) -> bool:
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

    def in_database(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> Awaitable[R]:
        """The result of `call`, run in a thread in which it may use the database and block."""
        ...


class _Module:
    """The functions of a module, looked up when they are called."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return import_string(f"{self._path}.{name}")


@functools.cache
def host() -> Host:
    return cast(Host, _Module(settings.ANALYTICS_HOST))
