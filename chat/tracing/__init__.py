"""Which request or event a line of a log and a span belong to."""
