"""Logs, traces, errors and metrics: how this installation sends them where they belong."""
