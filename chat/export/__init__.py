"""Exporting: what is stored goes to the event bus, in order, at least once."""
