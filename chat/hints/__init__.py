"""Hints: `to_hubs` tells connected clients that something happened, `to_workers` that there is
work. A hint may be lost; who needs what it tells looks again by itself."""
