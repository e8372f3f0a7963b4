"""Backups: one moment for the log and PostgreSQL, and the copy of the log."""
