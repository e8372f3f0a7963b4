"""Counting: events come from the bus, each is counted once, and the sums are kept."""
