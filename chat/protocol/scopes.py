"""What a program's token may do: its scopes, and which scope a WebSocket frame needs. Pure.

A token may do only what both its owner may do and its scopes name. A session has all scopes.
REST operations declare the scope that they need in `chat.api.requests`.
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
    Reply,
    Send,
    ThreadRead,
    Typing,
)


class Scope(StrEnum):
    """No scope includes another one: a program that only announces something need not read."""

    READ = "read"  # what members see: rooms, people, messages; and the live socket
    WRITE = "write"  # what members do: post, edit, react, join, invite, report
    MODERATE = "moderate"  # what owners, moderators and staff see and do beyond that


ALL = frozenset(Scope)
# All other frames only read, and the socket was opened with that scope.
WRITING_FRAMES = (Send, Reply, Edit, Delete, React, Read, ThreadRead, Typing)


def to_text(scopes: Iterable[Scope]) -> str:
    """The scopes as stored: in the order above, separated by spaces."""
    chosen = set(scopes)
    return " ".join(scope for scope in Scope if scope in chosen)


def from_text(text: str) -> frozenset[Scope]:
    """The scopes in text that `to_text` wrote. A word unknown to this version gives no scope."""
    words = set(text.split())
    return frozenset(scope for scope in Scope if scope in words)


def scope_of(frame: AnyClientFrame) -> Scope:
    return Scope.WRITE if isinstance(frame, WRITING_FRAMES) else Scope.READ


def check_scope(scopes: frozenset[Scope], needed: Scope) -> None:
    """Raises: ClientError `forbidden` that names the missing scope."""
    if needed not in scopes:
        raise ClientError("forbidden", f"This token lacks the scope {needed}.")
