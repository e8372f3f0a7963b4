"""What a program's token may do: its scopes, and which of them a frame of the socket needs. Pure.

A token does what its owner may do, and of that only what its scopes name. A session has them all.
REST operations say which scope they need in `chat.api.requests`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from chat.errors import ClientError
from chat.protocol import (
    AnyClientFrame,
    Delete,
    Edit,
    React,
    Read,
    Send,
    Typing,
)


class Scope(StrEnum):
    """No scope holds another one: a program that only announces something need not read."""

    READ = "read"  # what members see: rooms, people, messages; and the live socket
    WRITE = "write"  # what members do: post, edit, react, join, invite, report
    MODERATE = "moderate"  # what owners, moderators and staff see and do beyond that


ALL = frozenset(Scope)
# Everything else on a socket is reading, which it was opened for.
WRITING_FRAMES = (Send, Edit, Delete, React, Read, Typing)


def to_text(scopes: Iterable[Scope]) -> str:
    """As they are stored: in the order above, separated by spaces."""
    chosen = set(scopes)
    return " ".join(scope for scope in Scope if scope in chosen)


def from_text(text: str) -> frozenset[Scope]:
    """What `to_text` wrote. A word that this version does not know gives nothing."""
    words = set(text.split())
    return frozenset(scope for scope in Scope if scope in words)


def scope_of(frame: AnyClientFrame) -> Scope:
    return Scope.WRITE if isinstance(frame, WRITING_FRAMES) else Scope.READ


def check_scope(scopes: frozenset[Scope], needed: Scope) -> None:
    """Raises: ClientError `forbidden` that names what is missing."""
    if needed not in scopes:
        raise ClientError("forbidden", f"This token lacks the scope {needed}.")
