"""Exports stored events to the event bus, in order, at least once."""
