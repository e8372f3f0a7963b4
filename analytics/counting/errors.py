"""What can go wrong, sorted by what the caller does next."""

from __future__ import annotations


class AnalyticsError(Exception):
    """Base of every error that the analytics raise on purpose."""


class Unavailable(AnalyticsError):
    """The event bus, PostgreSQL or the dead letters do not answer: back off, reread positions."""


class DeadLetterLimitReached(AnalyticsError):
    """So many are bad that the events are hardly at fault: stop until a person has looked."""


class NotAnEvent(AnalyticsError):
    """These bytes are not an event and never will be."""


class NotYet(AnalyticsError):
    """An event that cannot be counted at present; trying again may help."""
