"""What the checks compare, read from the log, from PostgreSQL and from the dead letters."""
