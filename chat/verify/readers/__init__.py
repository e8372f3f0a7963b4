"""Read what the checks compare: from the log, PostgreSQL and the dead letters."""
