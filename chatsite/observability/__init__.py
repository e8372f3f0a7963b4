"""Sends this installation's logs, traces, errors and metrics where they belong."""
