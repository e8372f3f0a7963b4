"""Pages that show operators that nothing is lost, and what waits to be retried."""
