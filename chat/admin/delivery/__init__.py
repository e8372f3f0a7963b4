"""Pages on which operators see that nothing is lost, and what waits to be retried."""
