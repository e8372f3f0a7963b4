"""Connects the chat and the analytics, which use each other without importing each other."""

from __future__ import annotations

import analytics.host
from chat import dead_letters
from chat.verify import rollups
from chatsite.analytics_wiring import counted, letters
from chatsite.analytics_wiring import host as chat_as_host


def connect() -> None:
    """Registers chat and analytics with each other, in this process."""
    analytics.host.register(chat_as_host)
    rollups.register(counted)
    dead_letters.register(letters.SOURCE, letters.retry)
