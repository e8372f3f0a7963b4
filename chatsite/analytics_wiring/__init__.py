"""Connects the chat and the analytics, which use each other without importing each other."""

from __future__ import annotations

import analytics.host
from chat.dead_letters import sources
from chat.verify import rollups
from chatsite.analytics_wiring import counted, dead_letters
from chatsite.analytics_wiring import host as chat_as_host


def connect() -> None:
    """Registers chat and analytics with each other, in this process."""
    analytics.host.register(chat_as_host)
    rollups.register(counted)
    sources.register(dead_letters.SOURCE, dead_letters.retry)
