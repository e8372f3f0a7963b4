"""What can go wrong, sorted by what the caller does next."""

from __future__ import annotations


class AnalyticsError(Exception):
    """Base of every error that the analytics raise on purpose."""


class Away(AnalyticsError):
    """The bus, PostgreSQL or the dead letters do not answer: back off, read the positions again."""


class DeadLetterLimitReached(AnalyticsError):
    """So much is bad that the fault is hardly in the events: stop, until a person has looked."""


class NotAnEvent(AnalyticsError):
    """These bytes are not an event and never will be."""


class NotYet(AnalyticsError):
    """An event that cannot be counted as things are; trying again may help."""
