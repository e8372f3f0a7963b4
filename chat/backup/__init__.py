"""Backups: the moment at which log and PostgreSQL agree, and the log's own copy."""
