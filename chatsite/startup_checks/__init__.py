"""Checks before a process starts to serve."""
